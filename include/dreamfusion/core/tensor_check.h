#pragma once
/// Shape checks at public boundaries. A failure is a programming error and names the tensor, the expected and the actual
/// size: `rays.origins: expected [R, 3], got [4096, 4]`.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace dreamfusion {

inline constexpr std::int64_t kAny = -1;  ///< a size that may be anything

/// @throws c10::Error unless `tensor` is defined and has exactly these sizes (kAny matches all).
void check_shape(const at::Tensor& tensor, std::string_view name, std::initializer_list<std::int64_t> expected);

/// check_shape, and floating point (float32 or float64).
void check_float(const at::Tensor& tensor, std::string_view name, std::initializer_list<std::int64_t> expected);

}  // namespace dreamfusion
