#include "cuda/shade_cuda.h"

#include <ATen/ops/empty_like.h>

#include "cuda/on_device.h"
#include "cuda/shade_launch.h"

namespace dreamfusion::ops::cuda {

at::Tensor shade_forward(const kernel::ShadeKernel<double>& shade, const at::Tensor& albedo, const at::Tensor& normal, const at::Tensor& x_world) {
  const OnDevice device(normal);
  at::Tensor out = at::empty_like(normal);
  device.run("shade_diffuse",
             ShadeForward<float>{kernel::converted<float>(shade), data_or_null<float>(albedo), normal.const_data_ptr<float>(),
                                 x_world.const_data_ptr<float>(), out.mutable_data_ptr<float>()},
             normal.size(0));
  return out;
}

cpu::ShadeGradients shade_backward(const kernel::ShadeKernel<double>& shade, const at::Tensor& grad, const at::Tensor& albedo,
                                   const at::Tensor& normal, const at::Tensor& x_world, cpu::ShadeWanted wanted) {
  const OnDevice device(normal);
  cpu::ShadeGradients grads;
  if (wanted.albedo && albedo.defined()) grads.albedo = at::empty_like(albedo);
  if (wanted.normal) grads.normal = at::empty_like(normal);
  const ShadeBackward<float> body{kernel::converted<float>(shade),
                                  grad.const_data_ptr<float>(),
                                  data_or_null<float>(albedo),
                                  normal.const_data_ptr<float>(),
                                  x_world.const_data_ptr<float>(),
                                  mutable_or_null<float>(grads.albedo),
                                  mutable_or_null<float>(grads.normal)};
  device.run("shade_diffuse backward", body, normal.size(0));
  return grads;
}

}  // namespace dreamfusion::ops::cuda
