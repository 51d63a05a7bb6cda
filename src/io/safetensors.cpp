#include "dreamfusion/io/safetensors.h"

#include <ATen/ATen.h>

#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "dreamfusion/core/error.h"
#include "dreamfusion/io/files.h"

namespace dreamfusion {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

using Json = nlohmann::json;

constexpr std::size_t kLengthBytes = sizeof(std::uint64_t);

const std::pair<const char*, at::ScalarType> kTypes[] = {{"F32", at::kFloat}, {"F16", at::kHalf}, {"BF16", at::kBFloat16}, {"F64", at::kDouble},
                                                         {"I64", at::kLong},  {"I32", at::kInt},  {"U8", at::kByte},       {"BOOL", at::kBool}};

[[noreturn]] void damaged(const std::filesystem::path& path, const std::string& found) {
  throw UserError({.what = "a safetensors file cannot be read", .where = path.string(), .found = found,
                   .fix = "copy or export the file again"});
}

/// The shape of an entry, and that its bytes are as many as its shape says and lie within the file.
at::Tensor read_entry(const std::filesystem::path& path, const std::string& name, const Json& entry, std::string_view bytes) {
  const auto fault = [&](const std::string& what) { damaged(path, "tensor \"" + name + "\": " + what); };
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") || !entry.contains("data_offsets")) fault("no dtype, shape and data_offsets");
  const at::ScalarType* type = nullptr;
  for (const auto& [text, scalar] : kTypes)
    if (entry["dtype"] == text) type = &scalar;
  if (type == nullptr) fault("dtype " + entry["dtype"].dump() + " is not one that this program reads");
  std::uint64_t count = 1;
  std::vector<std::int64_t> shape;
  for (const Json& size : entry["shape"]) {
    if (!size.is_number_unsigned() || size.get<std::uint64_t>() > bytes.size() + 1) fault("shape " + entry["shape"].dump());
    shape.push_back(size.get<std::int64_t>());
    if (__builtin_mul_overflow(count, size.get<std::uint64_t>(), &count)) fault("shape " + entry["shape"].dump());
  }
  const Json& range = entry["data_offsets"];
  if (!range.is_array() || range.size() != 2 || !range[0].is_number_unsigned() || !range[1].is_number_unsigned()) fault("data_offsets");
  const auto begin = range[0].get<std::uint64_t>(), end = range[1].get<std::uint64_t>();
  if (begin > end || end > bytes.size()) fault("its bytes end at " + std::to_string(end) + ", the file's at " + std::to_string(bytes.size()));
  if (count > bytes.size() || count * c10::elementSize(*type) != end - begin) fault("its bytes do not fit its shape");
  const at::Tensor tensor = at::empty(shape, *type);
  if (end > begin) std::memcpy(tensor.data_ptr(), bytes.data() + begin, end - begin);
  return tensor;
}

const char* type_name(at::ScalarType type) {
  for (const auto& [text, scalar] : kTypes)
    if (scalar == type) return text;
  TORCH_CHECK(false, "write_safetensors: unsupported type ", type);
}

}  // namespace

Safetensors read_safetensors(const std::filesystem::path& path) {
  const std::string file = read_file(path);
  std::uint64_t length = 0;
  if (file.size() < kLengthBytes) damaged(path, std::to_string(file.size()) + " bytes, shorter than its own header");
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length > file.size() - kLengthBytes) damaged(path, "a header of " + std::to_string(length) + " bytes in a file of " + std::to_string(file.size()));
  const Json header = Json::parse(file.begin() + kLengthBytes, file.begin() + static_cast<std::ptrdiff_t>(kLengthBytes + length), nullptr, false);
  if (!header.is_object()) damaged(path, "its header is not a JSON object");
  const std::string_view bytes = std::string_view(file).substr(kLengthBytes + length);
  Safetensors content;
  for (const auto& [name, entry] : header.items()) {
    if (name != "__metadata__") {
      content.tensors[name] = read_entry(path, name, entry, bytes);
      continue;
    }
    for (const auto& [key, value] : entry.items())
      if (value.is_string()) content.metadata[key] = value.get<std::string>();
  }
  return content;
}

void write_safetensors(const std::filesystem::path& path, const Safetensors& content) {
  Json header = Json::object();
  if (!content.metadata.empty()) header["__metadata__"] = content.metadata;
  std::string bytes;
  for (const auto& [name, given] : content.tensors) {
    const at::Tensor tensor = given.detach().cpu().contiguous();
    const std::size_t begin = bytes.size();
    bytes.append(static_cast<const char*>(tensor.data_ptr()), tensor.nbytes());
    header[name] = {{"dtype", type_name(tensor.scalar_type())}, {"shape", tensor.sizes().vec()}, {"data_offsets", {begin, bytes.size()}}};
  }
  std::string text = header.dump();
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');  // the bytes start aligned
  const std::uint64_t length = text.size();
  write_file_atomically(path, std::string(reinterpret_cast<const char*>(&length), kLengthBytes) + text + bytes);
}

}  // namespace dreamfusion
