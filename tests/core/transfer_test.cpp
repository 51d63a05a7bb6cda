#include "dreamfusion/core/transfer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace dreamfusion {
namespace {

TEST(Readings, AddUpUnderTheirNames) {
  Readings step, part;
  step.add("loss", at::tensor({0.5f}));
  part.add("loss", at::scalar_tensor(0.25, at::kDouble));
  part.add("rays", at::scalar_tensor(7, at::kLong));
  step.add(part);
  EXPECT_EQ(step.read(), (std::map<std::string, double>{{"loss", 0.75}, {"rays", 7.0}}));
  EXPECT_TRUE(Readings().read().empty());
}

TEST(Readings, KeepNoHistoryAndHideNoNaN) {
  const at::Tensor parameter = at::tensor({2.0}).requires_grad_();
  Readings readings;
  readings.add("square", parameter.square().sum());
  readings.add("lost", at::scalar_tensor(std::nan("")));
  parameter.detach().fill_(3.0);
  EXPECT_EQ(readings.read().at("square"), 4.0);
  EXPECT_TRUE(std::isnan(readings.read().at("lost")));
}

TEST(Readings, MoreThanOneNumberIsAnError) { EXPECT_THROW(Readings().add("two", at::zeros({2})), c10::Error); }

TEST(Send, GivesBackWhatIsThere) {
  const at::Tensor host = at::arange(6).view({2, 3}).t();
  EXPECT_TRUE(at::equal(send(host, at::kCPU), host));
  EXPECT_TRUE(send(host, at::kCPU).is_same(host));
}

}  // namespace
}  // namespace dreamfusion
