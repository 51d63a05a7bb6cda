#include "dreamfusion/io/safetensors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>

#include "dreamfusion/core/error.h"
#include "dreamfusion/io/files.h"
#include "testing/temporary_folder.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

std::string with_length(const std::string& header, const std::string& bytes = "") {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + bytes;
}

class SafetensorsTest : public ::testing::Test {
 protected:
  std::string fault(const std::string& content) const {
    write_file_atomically(file(), content);
    try {
      read_safetensors(file());
    } catch (const UserError& error) {
      EXPECT_NE(std::string(error.what()).find(file().string()), std::string::npos);
      return error.fault().found;
    }
    return "no fault";
  }
  fs::path file() const { return folder_.path() / "a.safetensors"; }
  testing::TemporaryFolder folder_;
};

TEST_F(SafetensorsTest, EveryTypeAndShapeComesBackBitForBit) {
  Safetensors content;
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16, at::kDouble, at::kLong, at::kInt, at::kByte, at::kBool})
    content.tensors[std::string("of ") + c10::toString(type)] = (at::arange(6, at::kFloat) % 2).to(type).view({2, 3});
  content.tensors["scalar"] = at::full({}, 0.1);
  content.tensors["empty"] = at::empty({0, 4});
  content.tensors["transposed \u00e9"] = at::arange(6).view({2, 3}).t();
  content.metadata = {{"content", "numbers"}};
  write_safetensors(file(), content);
  const Safetensors read = read_safetensors(file());
  EXPECT_EQ(read.metadata, content.metadata);
  ASSERT_EQ(read.tensors.size(), content.tensors.size());
  for (const auto& [name, tensor] : content.tensors) {
    EXPECT_EQ(read.tensors.at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(read.tensors.at(name), tensor)) << name;
  }
}

// Byte for byte what the format's description says, not only what the writer above makes.
TEST_F(SafetensorsTest, ReadsTheFormatAsItIsDescribed) {
  const float values[] = {1.5f, -2.0f};
  const std::string bytes(reinterpret_cast<const char*>(values), sizeof values);
  write_file_atomically(file(), with_length(R"({"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}  )", bytes));
  const Safetensors read = read_safetensors(file());
  EXPECT_TRUE(at::equal(read.tensors.at("w"), at::tensor({1.5f, -2.0f}).view({2, 1})));
  EXPECT_EQ(read.metadata.at("a"), "b");
}

TEST_F(SafetensorsTest, DamageIsNamed) {
  const auto header = [](const std::string& entry) { return with_length("{\"w\":" + entry + "}", std::string(8, 'x')); };
  const std::pair<std::string, const char*> cases[] = {
      {"abc", "3 bytes, shorter than its own header"},
      {std::string(8, '\xff'), "a header of 18446744073709551615 bytes"},
      {with_length("[1]"), "not a JSON object"},
      {with_length("{\"w\":"), "not a JSON object"},
      {header("3"), "tensor \"w\": no dtype"},
      {header(R"({"dtype":"F8","shape":[2],"data_offsets":[0,8]})"), "dtype \"F8\" is not one"},
      {header(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), "shape [-2]"},
      {header(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"), "its bytes do not fit its shape"},
      {header(R"({"dtype":"F32","shape":[9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9],"data_offsets":[0,8]})"), "shape [9"},
      {header(R"({"dtype":"F32","shape":[2],"data_offsets":[0,9]})"), "its bytes end at 9, the file's at 8"},
      {header(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), "its bytes end at 0"},
      {header(R"({"dtype":"F32","shape":[2],"data_offsets":["a",8]})"), "data_offsets"}};
  for (const auto& [content, expected] : cases) EXPECT_NE(fault(content).find(expected), std::string::npos) << expected << "\n" << fault(content);
}

}  // namespace
}  // namespace dreamfusion
