#include "bench/step_bench.h"

#include <ATen/ATen.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "dreamfusion/core/rng.h"
#include "dreamfusion/ops/backend.h"

namespace dreamfusion::bench {
namespace {

std::string line(const char* format, const std::string& name, double a, double b = 0, double c = 0) {
  char text[128];
  std::snprintf(text, sizeof(text), format, name.c_str(), a, b, c);
  return text;
}

}  // namespace

GuidedForward::GuidedForward(DiffusionPrior& prior, const Config& config) : prior_(prior) {
  const PriorManifest& manifest = prior.manifest();
  const std::int64_t views = config.train.batch_size, batch = 2 * views;
  const at::Tensor context = prior.encode_text({config.prompt, ""}).context;
  const std::int64_t camera = manifest.camera_input == CameraInput::kMatrix ? 16 : 3;
  conditioning_ = {context.repeat_interleave(views, 0), at::zeros({batch, camera}, at::TensorOptions(prior.device()))};
  z_t_ = Rng(0, 0, RandomPurpose::kNoise).normal_tensor({batch, manifest.channels, manifest.resolution, manifest.resolution}).to(prior.device());
  t_ = at::full({batch}, prior.schedule().num_timesteps() / 2, at::TensorOptions(prior.device()).dtype(at::kLong));
}

void GuidedForward::run() const { prior_.predict_noise(z_t_, t_, conditioning_); }

StepTimes measure_steps(Trainer& trainer, const GuidedForward& guided, int repeats, const std::function<void()>& synchronise) {
  StepTimes times;
  StepReport report;
  const auto timings = measure_in_turns({{"step", [&] { report = trainer.step(); }},
                                         {"step in plain ATen",
                                          [&] {
                                            const ops::ScopedReference plain;
                                            trainer.step();
                                          }},
                                         {"guided forward pass", [&] { guided.run(); }}},
                                        repeats, synchronise);
  times.step = timings[0];
  times.plain_step = timings[1];
  times.guided = timings[2];
  times.samples_per_ray = report.samples_per_ray;
  reset_memory_peaks();
  start_profile(synchronise);
  for (int i = 0; i < repeats; ++i) trainer.step();
  times.parts = stop_profile();
  times.memory = tensor_memory();
  for (double& seconds : times.parts.forward) seconds /= repeats;
  for (double& seconds : times.parts.backward) seconds /= repeats;
  return times;
}

nlohmann::ordered_json to_json(const StepTimes& times) {
  nlohmann::ordered_json parts;
  for (int i = 0; i < kParts; ++i) {
    const auto at = static_cast<std::size_t>(i);
    parts[std::string(part_name(static_cast<Part>(i)))] = {{"forward_ms", 1e3 * times.parts.forward[at]}, {"backward_ms", 1e3 * times.parts.backward[at]},
                                                                     {"peak_tensor_mb", static_cast<double>(times.memory.peak_of_part[at]) / 1e6}};
  }
  return {{"step", to_json(times.step)},
          {"plain_aten_step", to_json(times.plain_step)},
          {"guided_forward", to_json(times.guided)},
          {"step_over_guided_forward", ratio(times.step, times.guided)},
          {"plain_aten_step_over_step", ratio(times.plain_step, times.step)},
          {"samples_per_ray", times.samples_per_ray},
          {"peak_tensor_mb", static_cast<double>(times.memory.peak) / 1e6},
          {"parts", parts}};
}

std::string to_text(const StepTimes& times) {
  std::string text;
  for (const Timing* timing : {&times.step, &times.plain_step, &times.guided}) {
    text += "  " + timing->name + std::string(24 - std::min<std::size_t>(23, timing->name.size()), ' ') + to_text(*timing) + "\n";
  }
  text += line("  %-24s%9.2f\n", "step / guided forward", ratio(times.step, times.guided));
  text += line("  %-24s%9.2f\n", "plain ATen / own kernels", ratio(times.plain_step, times.step));
  text += line("  %-24s%9.1f\n", "samples a ray", times.samples_per_ray);
  text += "  part [ms a step]          forward  backward   peak of tensors [MB]\n";
  for (int i = 0; i < kParts; ++i) {
    const auto at = static_cast<std::size_t>(i);
    text += line("    %-22s%9.3f %9.3f %12.1f\n", std::string(part_name(static_cast<Part>(i))), 1e3 * times.parts.forward[at],
                 1e3 * times.parts.backward[at], static_cast<double>(times.memory.peak_of_part[at]) / 1e6);
  }
  return text;
}

}  // namespace dreamfusion::bench
