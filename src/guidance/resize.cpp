#include "resize.h"

#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/upsample_bilinear2d.h>

namespace dreamfusion {

at::Tensor resize_bilinear(const at::Tensor& images, std::int64_t size) {
  if (images.size(2) == size && images.size(3) == size) return images;
  const bool shrinks = images.size(2) > size || images.size(3) > size;
  return shrinks ? at::_upsample_bilinear2d_aa(images, {size, size}, /*align_corners=*/false)
                 : at::upsample_bilinear2d(images, {size, size}, /*align_corners=*/false);
}

}  // namespace dreamfusion
