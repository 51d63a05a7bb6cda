#pragma once
/// What a ray sees where the object is not. Legend: R rays.
#include <ATen/core/Tensor.h>

#include <array>
#include <memory>
#include <vector>

#include "dreamfusion/config/render_config.h"
#include "dreamfusion/core/named_tensors.h"

namespace dreamfusion {

class Background {
 public:
  virtual ~Background() = default;
  /// Colour behind one view's rays. @param directions [R, 3] unit length  @return [R, 3] in [0, 1]
  virtual at::Tensor color(const at::Tensor& directions) const = 0;
};

/// One colour everywhere.
class SolidBackground final : public Background {
 public:
  explicit SolidBackground(std::array<double, 3> rgb) : rgb_(rgb) {}
  at::Tensor color(const at::Tensor& directions) const override;

 private:
  std::array<double, 3> rgb_;
};

/// A small network on the positionally encoded direction (DreamFusion, arXiv:2209.14988, section 3.2 "Scene structure").
class EnvironmentBackground final : public Background {
 public:
  EnvironmentBackground(const BackgroundConfig& config, std::uint64_t seed, c10::Device device);
  at::Tensor color(const at::Tensor& directions) const override;
  ParameterGroup parameter_group() const;

 private:
  std::int64_t octaves_;
  at::Tensor weight1_, bias1_, weight2_, bias2_;
};

/// The random colour of view `view` of training step `step`: half of the time gray, half any colour.
std::array<double, 3> random_background_color(std::uint64_t seed, std::int64_t step, std::int64_t view);

}  // namespace dreamfusion
