#include "dreamfusion/core/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "dreamfusion/core/error.h"
#include "gpu_probe.h"

namespace dreamfusion {
namespace {

GpuState two_gpus() { return {{"GPU A", "GPU B"}, true, "", ""}; }
GpuState no_driver() { return {{}, false, "no NVIDIA driver", "install it"}; }
GpuState library_missing() { return {{}, true, "LibTorch's CUDA libraries cannot be loaded", "run scripts/setup.sh"}; }

std::string refusal(const std::string& text, const GpuState& state) {
  try {
    choose_device(text, state);
  } catch (const UserError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
    return error.what();
  }
  return "accepted";
}

TEST(Device, AutoTakesAGpuWhereOneWorks) {
  EXPECT_EQ(choose_device("auto", two_gpus()), c10::Device(c10::kCUDA, 0));
  EXPECT_EQ(choose_device("auto", no_driver()), c10::Device(c10::kCPU));
}

TEST(Device, AutoWarnsOnlyWhenAGpuIsLeftUnused) {
  testing::internal::CaptureStderr();
  choose_device("auto", no_driver());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  testing::internal::CaptureStderr();
  EXPECT_EQ(choose_device("auto", library_missing()), c10::Device(c10::kCPU));
  EXPECT_NE(testing::internal::GetCapturedStderr().find("run scripts/setup.sh"), std::string::npos);
}

TEST(Device, NamesAreTakenLiterally) {
  EXPECT_EQ(choose_device("cpu", two_gpus()), c10::Device(c10::kCPU));
  EXPECT_EQ(choose_device("cuda", two_gpus()), c10::Device(c10::kCUDA, 0));
  EXPECT_EQ(choose_device("cuda:1", two_gpus()), c10::Device(c10::kCUDA, 1));
}

TEST(Device, RefusesWhatIsNoDevice) {
  for (const char* text : {"", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda1", "cpu:0",
                           "cuda:99999999999999999999"}) {
    EXPECT_NE(refusal(text, two_gpus()).find("unknown device"), std::string::npos) << text;
  }
}

TEST(Device, SaysWhyAGpuCannotBeUsed) {
  EXPECT_NE(refusal("cuda", no_driver()).find("no NVIDIA driver"), std::string::npos);
  EXPECT_NE(refusal("cuda:0", library_missing()).find("run scripts/setup.sh"), std::string::npos);
  const std::string out_of_range = refusal("cuda:2", two_gpus());
  EXPECT_NE(out_of_range.find("no device cuda:2"), std::string::npos);
  EXPECT_NE(out_of_range.find("cuda:0 to cuda:1"), std::string::npos);
}

TEST(Device, TheProbeIsConsistent) {
  const GpuState& state = gpu_state();
  EXPECT_EQ(state.names.empty(), !state.obstacle.empty());
  EXPECT_EQ(state.obstacle.empty(), state.fix.empty());
  EXPECT_EQ(parse_device("cpu"), c10::Device(c10::kCPU));
  if (state.names.empty()) {
    EXPECT_THROW(parse_device("cuda"), UserError);
    EXPECT_EQ(describe_gpu().rfind("none: ", 0), 0U);
  } else {
    EXPECT_EQ(parse_device("auto"), c10::Device(c10::kCUDA, 0));
    EXPECT_NE(describe_gpu().find("(cuda:0)"), std::string::npos);
  }
}

TEST(Device, DeterminismAndFullPrecisionAreAskedForAndGivenBack) {
  at::Context& context = at::globalContext();
  const bool convolutions = context.allowTF32CuDNN(), products = context.allowTF32CuBLAS();
  {
    const ScopedFullFloat32 full;
    EXPECT_FALSE(context.allowTF32CuDNN());
    EXPECT_FALSE(context.allowTF32CuBLAS());
  }
  EXPECT_EQ(context.allowTF32CuDNN(), convolutions);
  EXPECT_EQ(context.allowTF32CuBLAS(), products);
  use_deterministic_algorithms();
  EXPECT_TRUE(context.deterministicAlgorithms());
  EXPECT_TRUE(context.deterministicAlgorithmsWarnOnly());
  EXPECT_FALSE(context.deterministicFillUninitializedMemory());
  context.setDeterministicAlgorithms(false, false);
  context.setDeterministicCuDNN(false);
}

TEST(Device, ThreadsAreLimitedAndZeroKeepsThem) {
  const int before = at::get_num_threads();
  set_cpu_threads(1);
  EXPECT_EQ(at::get_num_threads(), 1);
  set_cpu_threads(0);
  EXPECT_EQ(at::get_num_threads(), 1);
  set_cpu_threads(before);
}

}  // namespace
}  // namespace dreamfusion
