#include "dreamfusion/core/memory.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <new>
#include <thread>

namespace dreamfusion {
namespace {

class MemoryTest : public ::testing::Test {
 protected:
  void SetUp() override { install_memory_counter(); }
  void TearDown() override { set_memory_budget(0); }
};

TEST_F(MemoryTest, CountsTensorsAndTheirPeakByPart) {
  const std::size_t before = tensor_memory().now;
  reset_memory_peaks();
  {
    const ScopedPart part(Part::kPrior);
    at::Tensor big = at::empty({1 << 20}, at::kFloat);
    EXPECT_GE(tensor_memory().now, before + (4u << 20));
    big.reset();
    EXPECT_EQ(tensor_memory().now, before);
    const ScopedPart inner(Part::kEncoder);
    at::empty({1 << 18}, at::kFloat);
  }
  const TensorMemory memory = tensor_memory();
  EXPECT_GE(memory.peak, before + (4u << 20));
  EXPECT_EQ(memory.peak, memory.peak_of_part[static_cast<std::size_t>(Part::kPrior)]);
  EXPECT_LT(memory.peak_of_part[static_cast<std::size_t>(Part::kEncoder)], before + (2u << 20));
  EXPECT_GE(memory.peak_of_part[static_cast<std::size_t>(Part::kEncoder)], before + (1u << 20));
}

TEST_F(MemoryTest, ATensorMayDieOnAnotherThread) {
  const std::size_t before = tensor_memory().now;
  at::Tensor tensor = at::empty({100000}, at::kFloat);
  std::thread([dying = std::move(tensor)]() mutable { dying.reset(); }).join();
  EXPECT_EQ(tensor_memory().now, before);
}

TEST_F(MemoryTest, KeepsTheBudget) {
  set_memory_budget(tensor_memory().now + (1u << 20));
  const at::Tensor fits = at::zeros({1000}, at::kFloat);
  try {
    at::zeros({1 << 20}, at::kFloat);
    FAIL() << "four times the budget was given";
  } catch (const std::exception& error) {
    EXPECT_TRUE(is_out_of_memory(error)) << error.what();
  }
  EXPECT_LE(tensor_memory().now, memory_budget());
  set_memory_budget(0);
  EXPECT_EQ(at::zeros({1 << 20}, at::kFloat).numel(), 1 << 20);
}

TEST_F(MemoryTest, TensorsAreAlignedToCacheLines) {
  for (const std::int64_t size : {1, 3, 17, 1000}) {
    const at::Tensor tensor = at::empty({size}, at::kFloat);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) % 64, 0u) << size;
  }
}

TEST(OutOfMemory, IsToldFromOtherFaults) {
  EXPECT_TRUE(is_out_of_memory(std::bad_alloc()));
  EXPECT_TRUE(is_out_of_memory(std::runtime_error("RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")));
  EXPECT_TRUE(is_out_of_memory(std::runtime_error("CUDA out of memory. Tried to allocate 2 GiB")));
  EXPECT_FALSE(is_out_of_memory(std::runtime_error("shapes do not match")));
}

}  // namespace
}  // namespace dreamfusion
