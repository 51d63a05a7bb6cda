#include "backdrop.h"

#include <ATen/ATen.h>

#include <array>
#include <filesystem>

#include "dreamfusion/io/image.h"
#include "shot.h"

namespace dreamfusion {

Backdrop::Backdrop(const std::string& what, std::int64_t height, std::int64_t width) {
  if (what == "transparent") return;
  std::error_code ignored;
  if (std::filesystem::is_regular_file(what, ignored)) {
    const at::Tensor picture = read_image(what).slice(2, 0, 3).permute({2, 0, 1}).unsqueeze(0);
    pixels_ = at::upsample_bilinear2d(picture, {height, width}, /*align_corners=*/false)[0].permute({1, 2, 0});
  } else {
    const std::array<double, 3> rgb = parse_color(what, "--background (no such file either)");
    pixels_ = at::tensor(at::ArrayRef<double>(rgb.data(), 3)).to(at::kFloat).view({1, 1, 3}).expand({height, width, 3});
  }
}

at::Tensor Backdrop::behind(const at::Tensor& color, const at::Tensor& opacity, const at::Tensor& light) const {
  if (pixels_.defined()) {
    const at::Tensor seen = (1.0 - opacity) * pixels_;
    return color + (light.defined() ? seen * light : seen);
  }
  const at::Tensor through = light.defined() ? (1.0 - opacity) * light.mean(2, /*keepdim=*/true) : 1.0 - opacity;
  const at::Tensor alpha = 1.0 - through;
  return at::cat({color / alpha.clamp_min(1e-6), alpha}, 2);
}

}  // namespace dreamfusion
