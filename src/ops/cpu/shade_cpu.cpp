#include "cpu/shade_cpu.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>

namespace dreamfusion::ops::cpu {
namespace {

constexpr std::int64_t kSamplesPerTask = 1024;

/// The three values of sample i; null stays null.
template <class scalar>
scalar* row(scalar* values, std::int64_t i) {
  return values == nullptr ? nullptr : values + 3 * i;
}

template <class scalar>
const scalar* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<scalar>() : nullptr;
}

}  // namespace

at::Tensor shade_forward(const kernel::ShadeKernel<double>& shade, const at::Tensor& albedo, const at::Tensor& normal, const at::Tensor& x_world) {
  at::Tensor out = at::empty_like(normal);
  AT_DISPATCH_FLOATING_TYPES(normal.scalar_type(), "shade_forward", [&] {
    const auto k = kernel::converted<scalar_t>(shade);
    const auto *color = data_or_null<scalar_t>(albedo), *n = normal.const_data_ptr<scalar_t>(), *x = x_world.const_data_ptr<scalar_t>();
    auto* to = out.mutable_data_ptr<scalar_t>();
    at::parallel_for(0, normal.size(0), kSamplesPerTask, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) k.forward(row(color, i), row(n, i), row(x, i), row(to, i));
    });
  });
  return out;
}

ShadeGradients shade_backward(const kernel::ShadeKernel<double>& shade, const at::Tensor& grad, const at::Tensor& albedo,
                              const at::Tensor& normal, const at::Tensor& x_world, ShadeWanted wanted) {
  ShadeGradients grads;
  if (wanted.albedo && albedo.defined()) grads.albedo = at::empty_like(albedo);
  if (wanted.normal) grads.normal = at::empty_like(normal);
  AT_DISPATCH_FLOATING_TYPES(normal.scalar_type(), "shade_backward", [&] {
    const auto k = kernel::converted<scalar_t>(shade);
    const auto *g = grad.const_data_ptr<scalar_t>(), *color = data_or_null<scalar_t>(albedo), *n = normal.const_data_ptr<scalar_t>(),
               *x = x_world.const_data_ptr<scalar_t>();
    auto* to_albedo = grads.albedo.defined() ? grads.albedo.mutable_data_ptr<scalar_t>() : nullptr;
    auto* to_normal = grads.normal.defined() ? grads.normal.mutable_data_ptr<scalar_t>() : nullptr;
    at::parallel_for(0, normal.size(0), kSamplesPerTask, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        k.backward(row(g, i), row(color, i), row(n, i), row(x, i), row(to_albedo, i), row(to_normal, i));
      }
    });
  });
  return grads;
}

}  // namespace dreamfusion::ops::cpu
