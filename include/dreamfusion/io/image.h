#pragma once
/// Images as tensors: [H, W, C] float32 in [0, 1], row 0 at the top, C = 1, 3 or 4.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <vector>

namespace dreamfusion {

/// Writes an 8-bit PNG (values clamped to [0, 1], rounded), atomically. @throws UserError when it cannot be written.
void write_png(const std::filesystem::path& path, const at::Tensor& image);
/// The PNG file's bytes.
std::vector<unsigned char> encode_png(const at::Tensor& image);
/// Writes a portable float map ("Pf"), atomically: one float a pixel as it is. @param image [H, W, 1] finite float
void write_pfm(const std::filesystem::path& path, const at::Tensor& image);
/// [H, W, 3] or [H, W, 4] float32. @throws UserError when the file is missing or no image.
at::Tensor read_image(const std::filesystem::path& path);

/// Images of equal size in a grid of `columns`, black where there is none: [rows·H, columns·W, C].
at::Tensor tile_images(const std::vector<at::Tensor>& images, int columns);

/// Writes an endless animated WebP (every current browser plays it), atomically.
/// @param frames [H, W, 3] images of one size; @param quality 0…100, 100 = lossless.
void write_animation(const std::filesystem::path& path, const std::vector<at::Tensor>& frames, int frames_per_second,
                     float quality = 85);

}  // namespace dreamfusion
