#include "dreamfusion/io/image.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>
#include <webp/decode.h>
#include <webp/mux.h>

#include <cmath>
#include <limits>
#include <memory>

#include "dreamfusion/core/error.h"
#include "dreamfusion/io/files.h"
#include "testing/temporary_folder.h"
#include "testing/text_files.h"

namespace dreamfusion {
namespace {

using testing::names_in;
using testing::TemporaryFolder;
using testing::write_text;

/// [H, W, C] with a different value in every place, all multiples of 1/255.
at::Tensor pattern(std::int64_t height, std::int64_t width, std::int64_t channels) {
  return at::arange(height * width * channels, at::kFloat).mul(7.0).remainder(256.0).view({height, width, channels}) / 255.0;
}

TEST(Png, ReadsBackWhatWasWritten) {
  const TemporaryFolder folder;
  for (const std::int64_t channels : {1, 3, 4}) {
    const at::Tensor image = pattern(5, 9, channels);
    write_png(folder.path() / "a.png", image);
    const at::Tensor back = read_image(folder.path() / "a.png");
    EXPECT_EQ(back.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::allclose(back, channels == 1 ? image.expand({5, 9, 3}) : image, 0.0, 1e-6)) << channels;
  }
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"a.png"});
}

TEST(Png, ClampsRoundsAndSurvivesNan) {
  const TemporaryFolder folder;
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const at::Tensor values = at::tensor({-0.5F, 1.5F, nan, inf, -inf, 0.4999F / 255.0F, 0.5001F / 255.0F, 254.6F / 255.0F});
  write_png(folder.path() / "a.png", values.view({1, 8, 1}));
  const at::Tensor back = (read_image(folder.path() / "a.png").select(2, 0) * 255.0).round().view({8});
  EXPECT_TRUE(at::equal(back, at::tensor({0.0F, 255.0F, 0.0F, 255.0F, 0.0F, 0.0F, 1.0F, 255.0F}))) << back;
}

TEST(Png, TakesAnyLayoutPrecisionAndGraph) {
  const TemporaryFolder folder;
  const at::Tensor channels_first = pattern(4, 6, 3).permute({2, 0, 1}).contiguous().to(at::kDouble).requires_grad_();
  write_png(folder.path() / "a.png", channels_first.permute({1, 2, 0}));
  EXPECT_TRUE(at::allclose(read_image(folder.path() / "a.png"), pattern(4, 6, 3), 0.0, 1e-6));
}

TEST(Png, RefusesWhatIsNoImageTensor) {
  EXPECT_THROW(encode_png(at::zeros({4, 4})), c10::Error);
  EXPECT_THROW(encode_png(at::zeros({4, 4, 2})), c10::Error);
  EXPECT_THROW(encode_png(at::zeros({0, 4, 3})), c10::Error);
  EXPECT_THROW(encode_png(at::zeros({4, 4, 3}, at::kLong)), c10::Error);
  EXPECT_THROW(encode_png({}), c10::Error);
}

TEST(ReadImage, RefusesMissingAndDamagedFiles) {
  const TemporaryFolder folder;
  EXPECT_THROW(read_image(folder.path() / "none.png"), UserError);
  write_text(folder.path() / "text.png", "not an image");
  EXPECT_THROW(read_image(folder.path() / "text.png"), UserError);
  write_text(folder.path() / "empty.png", "");
  EXPECT_THROW(read_image(folder.path() / "empty.png"), UserError);
  const auto bytes = encode_png(pattern(32, 32, 3));
  const std::string whole(bytes.begin(), bytes.end());
  write_text(folder.path() / "half.png", whole.substr(0, whole.size() / 2));
  EXPECT_THROW(read_image(folder.path() / "half.png"), UserError);
}

TEST(Tiles, FillRowByRowAndLeaveTheRestBlack) {
  const at::Tensor a = at::full({2, 3, 3}, 0.25F), b = at::full({2, 3, 3}, 0.5F), c = at::full({2, 3, 3}, 0.75F);
  const at::Tensor sheet = tile_images({a, b, c}, 2);
  ASSERT_EQ(sheet.sizes(), at::IntArrayRef({4, 6, 3}));
  EXPECT_TRUE(at::equal(sheet.slice(0, 0, 2).slice(1, 3, 6), b));
  EXPECT_TRUE(at::equal(sheet.slice(0, 2, 4).slice(1, 0, 3), c));
  EXPECT_EQ(sheet.slice(0, 2, 4).slice(1, 3, 6).abs().max().item<float>(), 0.0F);
  EXPECT_EQ(tile_images({a}, 4).sizes(), at::IntArrayRef({2, 12, 3}));
  EXPECT_THROW(tile_images({}, 2), c10::Error);
  EXPECT_THROW(tile_images({a, at::zeros({2, 2, 3})}, 2), c10::Error);
  EXPECT_THROW(tile_images({a}, 0), c10::Error);
}

struct DecodedFrame {
  at::Tensor image;  ///< [H, W, 3] in [0, 1]
  int duration_ms = 0;
};

/// [h, w, 4] uint8
at::Tensor decode_webp(const WebPData& bitstream) {
  int width = 0, height = 0;
  const std::unique_ptr<std::uint8_t, decltype(&WebPFree)> pixels(
      WebPDecodeRGBA(bitstream.bytes, bitstream.size, &width, &height), WebPFree);
  if (pixels == nullptr) return {};
  return at::from_blob(pixels.get(), {height, width, 4}, at::kByte).clone();
}

/// An animated WebP as a browser shows it: every frame is a part of the canvas, put over what was there.
struct DecodedAnimation {
  int loop_count = -1;
  std::vector<DecodedFrame> frames;

  explicit DecodedAnimation(const std::filesystem::path& path) {
    const std::string bytes = read_file(path);
    const WebPData data{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
    const std::unique_ptr<WebPMux, decltype(&WebPMuxDelete)> mux(WebPMuxCreate(&data, 0), WebPMuxDelete);
    WebPMuxAnimParams parameters{};
    int width = 0, height = 0, count = 0;
    if (mux == nullptr || WebPMuxGetAnimationParams(mux.get(), &parameters) != WEBP_MUX_OK) return;
    WebPMuxGetCanvasSize(mux.get(), &width, &height);
    WebPMuxNumChunks(mux.get(), WEBP_CHUNK_ANMF, &count);
    loop_count = parameters.loop_count;
    at::Tensor canvas = at::zeros({height, width, 4}, at::kByte);
    for (int i = 1; i <= count; ++i) {
      WebPMuxFrameInfo info{};
      WebPMuxGetFrame(mux.get(), static_cast<std::uint32_t>(i), &info);
      const at::Tensor part = decode_webp(info.bitstream);
      WebPDataClear(&info.bitstream);
      const at::Tensor place = canvas.narrow(0, info.y_offset, part.size(0)).narrow(1, info.x_offset, part.size(1));
      const at::Tensor transparent = part.slice(2, 3, 4).eq(0);
      place.copy_(info.blend_method == WEBP_MUX_BLEND ? at::where(transparent, place, part) : part);
      frames.push_back({canvas.slice(2, 0, 3).to(at::kFloat) / 255.0, info.duration});
      if (info.dispose_method == WEBP_MUX_DISPOSE_BACKGROUND) place.zero_();
    }
  }
};

TEST(Animation, LosslessFramesReadBackInOrderAndTime) {
  const TemporaryFolder folder;
  std::vector<at::Tensor> frames;
  for (int i = 0; i < 5; ++i) frames.push_back(pattern(6, 8, 3).roll(i, 1));
  write_animation(folder.path() / "a.webp", frames, 4, 100);
  const DecodedAnimation animation(folder.path() / "a.webp");
  EXPECT_EQ(animation.loop_count, 0);
  ASSERT_EQ(animation.frames.size(), frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_TRUE(at::allclose(animation.frames[i].image, frames[i], 0.0, 1e-6)) << i;
    EXPECT_EQ(animation.frames[i].duration_ms, 250);
  }
}

TEST(Animation, LossyFramesAreCloseAndSmall) {
  const TemporaryFolder folder;
  std::vector<at::Tensor> frames;
  const at::Tensor x = at::linspace(0.0, 6.28, 64);
  for (int i = 0; i < 6; ++i) {
    const at::Tensor wave = (x.view({1, 64, 1}) + x.view({64, 1, 1}) + i).sin() * 0.4 + 0.5;
    frames.push_back(wave.expand({64, 64, 3}));
  }
  write_animation(folder.path() / "a.webp", frames, 15);
  const DecodedAnimation animation(folder.path() / "a.webp");
  ASSERT_EQ(animation.frames.size(), frames.size());
  int total_ms = 0;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_LT((animation.frames[i].image - frames[i]).abs().mean().item<double>(), 0.02) << i;
    total_ms += animation.frames[i].duration_ms;
  }
  EXPECT_EQ(total_ms, 400);
  EXPECT_LT(std::filesystem::file_size(folder.path() / "a.webp"), 20000U);
}

TEST(Animation, RefusesWhatItCannotWrite) {
  const TemporaryFolder folder;
  const at::Tensor frame = at::zeros({4, 4, 3});
  EXPECT_THROW(write_animation(folder.path() / "a.webp", {}, 10), c10::Error);
  EXPECT_THROW(write_animation(folder.path() / "a.webp", {frame}, 0), c10::Error);
  EXPECT_THROW(write_animation(folder.path() / "a.webp", {frame, at::zeros({4, 5, 3})}, 10), c10::Error);
  EXPECT_THROW(write_animation(folder.path() / "a.webp", {at::zeros({4, 4, 4})}, 10), c10::Error);
  EXPECT_THROW(write_animation(folder.path() / "none/a.webp", {frame}, 10), UserError);
  EXPECT_TRUE(names_in(folder.path()).empty());
}

}  // namespace
}  // namespace dreamfusion
