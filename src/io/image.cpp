#include "dreamfusion/io/image.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <stb_image.h>
#include <stb_image_write.h>

#include <cstdlib>
#include <limits>
#include <memory>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/io/files.h"
#include "pixels.h"

namespace dreamfusion {
namespace {

void append_bytes(void* context, void* data, int size) {
  const auto* begin = static_cast<const unsigned char*>(data);
  auto* bytes = static_cast<std::vector<unsigned char>*>(context);
  bytes->insert(bytes->end(), begin, begin + size);
}

[[noreturn]] void refuse_image(const std::filesystem::path& path, const std::string& found) {
  throw UserError({"the file is no image that can be read", path.string(), found, "use a PNG or JPEG file"});
}

}  // namespace

at::Tensor to_bytes(const at::Tensor& image) {
  check_float(image, "image", {kAny, kAny, kAny});
  const std::int64_t channels = image.size(2);
  TORCH_CHECK(image.numel() > 0 && (channels == 1 || channels == 3 || channels == 4),
              "image: expected [H, W, 1, 3 or 4] with at least one pixel, got ", image.sizes());
  const at::Tensor unit = at::nan_to_num(image.detach(), 0.0, 1.0, 0.0).clamp(0.0, 1.0);
  return (unit * 255.0).round().to(at::kCPU, at::kByte).contiguous();
}

std::vector<unsigned char> encode_png(const at::Tensor& image) {
  const at::Tensor pixels = to_bytes(image);
  const auto height = static_cast<int>(pixels.size(0));
  const auto width = static_cast<int>(pixels.size(1));
  const auto channels = static_cast<int>(pixels.size(2));
  std::vector<unsigned char> bytes;
  const int written =
      stbi_write_png_to_func(append_bytes, &bytes, width, height, channels, pixels.const_data_ptr(), width * channels);
  TORCH_CHECK(written != 0, "PNG encoding failed for an image of ", pixels.sizes());
  return bytes;
}

void write_png(const std::filesystem::path& path, const at::Tensor& image) {
  const std::vector<unsigned char> bytes = encode_png(image);
  write_file_atomically(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void write_pfm(const std::filesystem::path& path, const at::Tensor& image) {
  check_float(image, "image", {kAny, kAny, 1});
  // Rows run upwards; the minus sign of the scale says little-endian.
  const at::Tensor rows = image.detach().to(at::kCPU, at::kFloat).flip({0}).contiguous();
  std::string bytes = "Pf\n" + std::to_string(rows.size(1)) + " " + std::to_string(rows.size(0)) + "\n-1.0\n";
  bytes.append(static_cast<const char*>(rows.const_data_ptr()), static_cast<std::size_t>(rows.numel()) * sizeof(float));
  write_file_atomically(path, bytes);
}

at::Tensor read_image(const std::filesystem::path& path) {
  const std::string file = read_file(path);
  const auto* bytes = reinterpret_cast<const unsigned char*>(file.data());
  if (file.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) refuse_image(path, "it is over 2 GiB");
  const auto size = static_cast<int>(file.size());
  int width = 0, height = 0, stored = 0;
  if (stbi_info_from_memory(bytes, size, &width, &height, &stored) == 0) refuse_image(path, stbi_failure_reason());
  const int channels = stored == STBI_grey_alpha || stored == STBI_rgb_alpha ? 4 : 3;
  const std::unique_ptr<unsigned char, decltype(&std::free)> pixels(
      stbi_load_from_memory(bytes, size, &width, &height, &stored, channels), std::free);
  if (pixels == nullptr) refuse_image(path, stbi_failure_reason());
  return at::from_blob(pixels.get(), {height, width, channels}, at::kByte).to(at::kFloat) / 255.0;
}

at::Tensor tile_images(const std::vector<at::Tensor>& images, int columns) {
  TORCH_CHECK(!images.empty() && columns > 0, "tile_images: expected images and columns, got ", images.size(), " and ",
              columns);
  const at::Tensor& first = images.front();
  check_shape(first, "images[0]", {kAny, kAny, kAny});
  const std::int64_t height = first.size(0), width = first.size(1);
  const auto count = static_cast<std::int64_t>(images.size());
  const std::int64_t rows = (count + columns - 1) / columns;
  at::Tensor sheet = at::zeros({rows * height, columns * width, first.size(2)}, first.options().requires_grad(false));
  for (std::int64_t i = 0; i < count; ++i) {
    const at::Tensor& image = images[static_cast<std::size_t>(i)];
    check_shape(image, "images[" + std::to_string(i) + "]", {height, width, first.size(2)});
    const std::int64_t top = i / columns * height, left = i % columns * width;
    sheet.narrow(0, top, height).narrow(1, left, width).copy_(image.detach());
  }
  return sheet;
}

}  // namespace dreamfusion
