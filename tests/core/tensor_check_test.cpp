#include "dreamfusion/core/tensor_check.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <functional>

namespace dreamfusion {
namespace {

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "accepted";
}

TEST(TensorCheck, NamesTensorExpectedAndActualSize) {
  const at::Tensor tensor = at::zeros({4096, 4});
  EXPECT_EQ(message_of([&] { check_shape(tensor, "rays.origins", {kAny, 3}); }),
            "rays.origins: expected [any, 3], got [4096, 4]");
  EXPECT_EQ(message_of([&] { check_shape(tensor, "x", {4096}); }), "x: expected [4096], got [4096, 4]");
  EXPECT_EQ(message_of([] { check_shape({}, "x", {1}); }), "x: expected [1], got an undefined tensor");
}

TEST(TensorCheck, AcceptsWhatMatches) {
  EXPECT_EQ(message_of([] { check_shape(at::zeros({4, 3}), "x", {kAny, 3}); }), "accepted");
  EXPECT_EQ(message_of([] { check_shape(at::zeros({}), "x", {}); }), "accepted");
  EXPECT_EQ(message_of([] { check_float(at::zeros({2}, at::kDouble), "x", {2}); }), "accepted");
}

TEST(TensorCheck, FloatMeansFloatOrDouble) {
  const std::string refusal = "x: expected float32 or float64, got ";
  EXPECT_EQ(message_of([] { check_float(at::zeros({2}, at::kLong), "x", {2}); }), refusal + "Long");
  EXPECT_EQ(message_of([] { check_float(at::zeros({2}, at::kHalf), "x", {2}); }), refusal + "Half");
}

}  // namespace
}  // namespace dreamfusion
