#include "graphed_calls.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <stdexcept>

namespace dreamfusion {
namespace {

/// Does the work again where a GPU would replay it. What a replay may not depend on (the caller's tensors) shows, as there.
class Repeated : public RecordedGraph {
 public:
  explicit Repeated(std::function<void()> work) : work_(std::move(work)) {}
  void replay() override { work_(); }

 private:
  std::function<void()> work_;
};

class RepeatingRecorder : public GraphRecorder {
 public:
  std::unique_ptr<RecordedGraph> record(c10::Device, const std::function<void()>& work) override {
    work();
    work();
    return std::make_unique<Repeated>(work);
  }
};

/// Records nothing, so that replays leave the memory as it was.
class DeafRecorder : public GraphRecorder {
 public:
  std::unique_ptr<RecordedGraph> record(c10::Device, const std::function<void()>& work) override {
    work();
    return std::make_unique<Repeated>([] {});
  }
};

class RefusingRecorder : public GraphRecorder {
 public:
  std::unique_ptr<RecordedGraph> record(c10::Device, const std::function<void()>&) override {
    throw std::runtime_error("operation not permitted when stream is capturing");
  }
};

std::vector<at::Tensor> network(const std::vector<at::Tensor>& inputs) { return {inputs[0].sin() * inputs.back().square()}; }

at::Tensor image(std::uint64_t seed, std::int64_t count = 2) {
  at::Tensor values = at::empty({count, 3});
  for (std::int64_t i = 0; i < values.numel(); ++i) values.view({-1})[i] = std::sin(static_cast<double>(seed * 31 + static_cast<std::uint64_t>(i)));
  return values;
}

TEST(GraphedCalls, GiveTheNetworksAnswersForEachSetOfShapes) {
  GraphedCalls calls(std::make_unique<RepeatingRecorder>(), "the network");
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    for (const std::int64_t count : {2, 4}) {
      const std::vector<at::Tensor> inputs = {image(seed, count), image(seed + 50, count)};
      const at::Tensor answer = calls.run(inputs, network)[0], expected = network(inputs)[0];
      EXPECT_TRUE(at::equal(answer, expected)) << seed << ", " << count;
      calls.run({image(99, count), image(98, count)}, network);
      EXPECT_TRUE(at::equal(answer, expected)) << "an answer changed with a later call";
    }
  }
  EXPECT_EQ(calls.recorded(), 2u);
}

TEST(GraphedCalls, AShapeThatComesOnceIsNotRecorded) {
  GraphedCalls calls(std::make_unique<RefusingRecorder>(), "the network");
  EXPECT_TRUE(at::equal(calls.run({image(1)}, network)[0], network({image(1)})[0]));
  EXPECT_EQ(calls.recorded(), 0u);
}

TEST(GraphedCalls, NoMoreGraphsThanMemoryIsMeantFor) {
  GraphedCalls calls(std::make_unique<RepeatingRecorder>(), "the network");
  for (std::int64_t count = 1; count < 9; ++count)
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(at::equal(calls.run({image(1, count)}, network)[0], network({image(1, count)})[0]));
  EXPECT_EQ(calls.recorded(), 4u);
}

TEST(GraphedCalls, WhatCannotBeRecordedIsCalledAsItIs) {
  for (const bool deaf : {false, true}) {
    std::unique_ptr<GraphRecorder> recorder;
    if (deaf) recorder = std::make_unique<DeafRecorder>();
    else recorder = std::make_unique<RefusingRecorder>();
    GraphedCalls calls(std::move(recorder), "the network");
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const at::Tensor x = image(seed);
      if (seed > 0 || !deaf) EXPECT_TRUE(at::equal(calls.run({x}, network)[0], network({x})[0])) << seed;
      else calls.run({x}, network);
      EXPECT_EQ(calls.recorded(), 0u) << (deaf ? "a replay that differs" : "a refusal");
    }
  }
}

TEST(GraphedCalls, GradientsAreTheNetworks) {
  GraphedCalls calls(std::make_unique<RepeatingRecorder>(), "the image encoder");
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    const at::Tensor x = image(seed).requires_grad_(), y = image(seed).requires_grad_(), weight = image(seed + 9);
    const at::Tensor answer = calls.run_differentiable(2.0 * x, network), expected = network({2.0 * y})[0];
    EXPECT_TRUE(at::equal(answer, expected));
    const auto gradient = torch::autograd::grad({(answer * weight).sum()}, {x})[0];
    EXPECT_TRUE(at::equal(gradient, torch::autograd::grad({(expected * weight).sum()}, {y})[0])) << seed;
  }
  EXPECT_EQ(calls.recorded(), 1u);
}

TEST(GraphedCalls, TwoImagesOnTheirWayDoNotTakeEachOthersGradients) {
  GraphedCalls calls(std::make_unique<RepeatingRecorder>(), "the image encoder");
  for (int i = 0; i < 2; ++i) calls.run_differentiable(image(1).requires_grad_(), network);
  const at::Tensor first = image(2).requires_grad_(), second = image(3).requires_grad_();
  const at::Tensor a = calls.run_differentiable(first, network), b = calls.run_differentiable(second, network);
  const at::Tensor of_first = torch::autograd::grad({a.sum()}, {first})[0], of_second = torch::autograd::grad({b.sum()}, {second})[0];
  const at::Tensor c = image(2).requires_grad_(), d = image(3).requires_grad_();
  EXPECT_TRUE(at::equal(of_first, torch::autograd::grad({network({c})[0].sum()}, {c})[0]));
  EXPECT_TRUE(at::equal(of_second, torch::autograd::grad({network({d})[0].sum()}, {d})[0]));
}

TEST(GraphedCalls, WithoutHistoryNoneIsKept) {
  GraphedCalls calls(std::make_unique<RepeatingRecorder>(), "the image encoder");
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(calls.run_differentiable(image(1), network).requires_grad());
}

}  // namespace
}  // namespace dreamfusion
