#include "dreamfusion/core/tensor_check.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <string>

namespace dreamfusion {
namespace {

std::string sizes_text(at::IntArrayRef sizes) {
  std::string text = "[";
  for (const std::int64_t size : sizes) {
    if (text.size() > 1) text += ", ";
    text += size == kAny ? "any" : std::to_string(size);
  }
  return text + "]";
}

bool matches(at::IntArrayRef actual, at::IntArrayRef expected) {
  return std::equal(actual.begin(), actual.end(), expected.begin(), expected.end(),
                    [](std::int64_t a, std::int64_t e) { return e == kAny || a == e; });
}

}  // namespace

void check_shape(const at::Tensor& tensor, std::string_view name, std::initializer_list<std::int64_t> expected) {
  TORCH_CHECK(tensor.defined(), name, ": expected ", sizes_text(expected), ", got an undefined tensor");
  TORCH_CHECK(matches(tensor.sizes(), expected), name, ": expected ", sizes_text(expected), ", got ",
              sizes_text(tensor.sizes()));
}

void check_float(const at::Tensor& tensor, std::string_view name, std::initializer_list<std::int64_t> expected) {
  check_shape(tensor, name, expected);
  TORCH_CHECK(tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kDouble, name,
              ": expected float32 or float64, got ", c10::toString(tensor.scalar_type()));
}

}  // namespace dreamfusion
