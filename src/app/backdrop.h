#pragma once
/// What stands behind a rendered object: a colour, a picture with ground that takes its shadow, or nothing.
#include <ATen/core/Tensor.h>

#include <string>

namespace dreamfusion {

class Backdrop {
 public:
  /// @param what  gray level, "R,G,B", a picture's file (stretched to the frame) or "transparent". @throws UserError (usage)
  Backdrop(const std::string& what, std::int64_t height, std::int64_t width);

  /// @param color    [H, W, 3] of the object over black
  /// @param opacity  [H, W, 1]
  /// @param light    [H, W, 3] share of its light that the backdrop still gets; undefined = all
  /// @return [H, W, 3]; transparent: [H, W, 4] with straight alpha, the shadow as black of the missing share
  at::Tensor behind(const at::Tensor& color, const at::Tensor& opacity, const at::Tensor& light) const;

 private:
  at::Tensor pixels_;  // [H, W, 3]; undefined = transparent
};

}  // namespace dreamfusion
