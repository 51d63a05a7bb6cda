#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include <memory>

#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/io/image.h"
#include "pixels.h"

namespace dreamfusion {
namespace {

/// libwebp's animation encoder with its error text.
class AnimationEncoder {
 public:
  AnimationEncoder(int width, int height, float quality)
      : width_(width), height_(height), encoder_(nullptr, WebPAnimEncoderDelete) {
    WebPAnimEncoderOptions options;
    TORCH_CHECK(WebPAnimEncoderOptionsInit(&options) != 0 && WebPConfigInit(&config_) != 0, "libwebp: wrong version");
    options.anim_params.loop_count = 0;  // endless
    config_.quality = quality;
    if (quality >= 100.0F) {
      config_.lossless = 1;
      config_.exact = 1;
    }
    TORCH_CHECK(WebPValidateConfig(&config_) != 0, "libwebp: quality ", quality, " is not in 0 … 100");
    encoder_.reset(WebPAnimEncoderNew(width, height, &options));
    TORCH_CHECK(encoder_ != nullptr, "libwebp: an animation of ", width, " x ", height, " pixels is not possible");
  }

  /// `pixels` [H, W, 3] uint8, shown from `time_ms` on.
  void add(const at::Tensor& pixels, int time_ms) {
    WebPPicture picture;
    TORCH_CHECK(WebPPictureInit(&picture) != 0, "libwebp: wrong version");
    const std::unique_ptr<WebPPicture, decltype(&WebPPictureFree)> owner(&picture, WebPPictureFree);
    picture.width = width_;
    picture.height = height_;
    picture.use_argb = 1;
    const bool added = WebPPictureImportRGB(&picture, pixels.const_data_ptr<std::uint8_t>(), width_ * 3) != 0 &&
                       WebPAnimEncoderAdd(encoder_.get(), &picture, time_ms, &config_) != 0;
    TORCH_CHECK(added, "libwebp: ", WebPAnimEncoderGetError(encoder_.get()), " (code ", picture.error_code, ")");
  }

  /// The file's bytes; the last frame is shown until `end_ms`.
  std::string finish(int end_ms) {
    WebPData data;
    WebPDataInit(&data);
    const std::unique_ptr<WebPData, decltype(&WebPDataClear)> owner(&data, WebPDataClear);
    const bool done = WebPAnimEncoderAdd(encoder_.get(), nullptr, end_ms, nullptr) != 0 &&
                      WebPAnimEncoderAssemble(encoder_.get(), &data) != 0;
    TORCH_CHECK(done, "libwebp: ", WebPAnimEncoderGetError(encoder_.get()));
    return {reinterpret_cast<const char*>(data.bytes), data.size};
  }

 private:
  int width_, height_;
  WebPConfig config_{};
  std::unique_ptr<WebPAnimEncoder, decltype(&WebPAnimEncoderDelete)> encoder_;
};

}  // namespace

void write_animation(const std::filesystem::path& path, const std::vector<at::Tensor>& frames, int frames_per_second,
                     float quality) {
  TORCH_CHECK(!frames.empty() && frames_per_second > 0, "write_animation: expected frames and a rate, got ", frames.size(),
              " and ", frames_per_second);
  const at::Tensor& first = frames.front();
  check_shape(first, "frames[0]", {kAny, kAny, 3});
  AnimationEncoder encoder(static_cast<int>(first.size(1)), static_cast<int>(first.size(0)), quality);
  const auto rate = static_cast<std::size_t>(frames_per_second);
  const auto time_ms = [rate](std::size_t frame) { return static_cast<int>(frame * 1000 / rate); };
  for (std::size_t i = 0; i < frames.size(); ++i) {
    check_shape(frames[i], "frames[" + std::to_string(i) + "]", {first.size(0), first.size(1), 3});
    encoder.add(to_bytes(frames[i]), time_ms(i));
  }
  write_file_atomically(path, encoder.finish(time_ms(frames.size())));
}

}  // namespace dreamfusion
