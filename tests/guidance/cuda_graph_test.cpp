/// The prior's networks as CUDA graphs, on a GPU. Without a usable one these say so and are skipped; graphed_calls_test.cpp has the rest.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "dreamfusion/core/device.h"
#include "graphed_calls.h"

namespace dreamfusion {
namespace {

class CudaGraph : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string gpu = describe_gpu();
    if (gpu.starts_with("none")) GTEST_SKIP() << "no GPU can be used: " << gpu;
    if (make_graph_recorder() == nullptr) GTEST_SKIP() << "this build has no CUDA";
    device_ = parse_device("cuda");
    weight_ = at::linspace(-1, 1, 8 * 3 * 3 * 3, at::TensorOptions(device_)).view({8, 3, 3, 3});
  }
  /// A convolution and a product: two libraries with workspaces of their own.
  std::vector<at::Tensor> network(const std::vector<at::Tensor>& inputs) const {
    const at::Tensor features = at::conv2d(inputs[0], weight_, {}, 1, 1).tanh();
    return {at::matmul(features, features.transpose(2, 3))};
  }
  at::Tensor image(double phase) const { return (at::arange(2 * 3 * 16 * 16, at::TensorOptions(device_)).to(at::kFloat) * 0.1 + phase).sin().view({2, 3, 16, 16}); }

  c10::Device device_ = at::kCPU;
  at::Tensor weight_;
};

TEST_F(CudaGraph, ReplaysGiveTheNetworksAnswers) {
  GraphedCalls calls(make_graph_recorder(), "the network");
  const auto call = [this](const std::vector<at::Tensor>& inputs) { return network(inputs); };
  const at::NoGradGuard no_grad;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(at::allclose(calls.run({image(i)}, call)[0], network({image(i)})[0], 1e-4, 1e-4)) << i;
  EXPECT_EQ(calls.recorded(), 1u);
}

TEST_F(CudaGraph, ReplaysGiveTheNetworksGradients) {
  GraphedCalls calls(make_graph_recorder(), "the image encoder");
  const auto call = [this](const std::vector<at::Tensor>& inputs) { return network(inputs); };
  for (int i = 0; i < 5; ++i) {
    const at::Tensor x = image(i).requires_grad_(), y = image(i).requires_grad_();
    const at::Tensor found = torch::autograd::grad({calls.run_differentiable(x, call).square().sum()}, {x})[0];
    EXPECT_TRUE(at::allclose(found, torch::autograd::grad({network({y})[0].square().sum()}, {y})[0], 1e-3, 1e-3)) << i;
  }
  EXPECT_EQ(calls.recorded(), 1u);
}

TEST_F(CudaGraph, WaitingForTheDeviceIsNotRecordedButStillAnswered) {
  GraphedCalls calls(make_graph_recorder(), "the network");
  const auto call = [](const std::vector<at::Tensor>& inputs) { return std::vector{inputs[0] * inputs[0].sum().item<double>()}; };
  const at::NoGradGuard no_grad;
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(at::allclose(calls.run({image(i)}, call)[0], call({image(i)})[0]));
  EXPECT_EQ(calls.recorded(), 0u);
}

}  // namespace
}  // namespace dreamfusion
