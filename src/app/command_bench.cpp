/// Where a step spends its time, against baselines that are measured in the same run.
#include <ATen/Parallel.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/render_bench.h"
#include "bench/roofline.h"
#include "bench/step_bench.h"
#include "bench/sweep.h"
#include "commands.h"
#include "dreamfusion/config/load.h"
#include "dreamfusion/core/device.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/core/memory.h"
#include "dreamfusion/core/version.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/ops/backend.h"
#include "dreamfusion/train/checkpoint.h"
#include "dreamfusion/train/prior_fit.h"
#include "session.h"

namespace dreamfusion {
namespace {

using nlohmann::ordered_json;

cxxopts::Options bench_options() {
  cxxopts::Options options("dreamfusion bench", "Times a training step by part, beside the prior's forward pass and the same in plain ATen.\n");
  options.custom_help("[OPTIONS] [key=value …]");
  options.positional_help("");
  options.add_options()("c,config", "options from a JSON file; may be repeated, later files win", cxxopts::value<std::vector<std::string>>(), "FILE")(
      "prior", "folder of the prior pack", cxxopts::value<std::string>(), "PACK")(
      "resolution", "edge of the views [pixels]", cxxopts::value<int>()->default_value("64"), "N")(
      "warm-up", "steps before anything is measured: an object forms", cxxopts::value<int>()->default_value("150"), "STEPS")(
      "repeats", "times that everything is measured", cxxopts::value<int>()->default_value("20"), "N")(
      "sweep", "also the cost against pixels, views, samples and the field's size")(
      "json", "write the figures to a file", cxxopts::value<std::string>(), "FILE")(
      "export", "write scene, samples and results for bench/python/render_step.py", cxxopts::value<std::string>(), "FILE")(
      "overrides", "key=value: any option of --help-config", cxxopts::value<std::vector<std::string>>(), "KEY=VALUE");
  add_common_options(options);
  options.parse_positional({"overrides"});
  return options;
}

int positive(const cxxopts::ParseResult& parsed, const std::string& name, int least) {
  const int value = parsed[name].as<int>();
  if (value < least) usage_error("--" + name + " is too small", std::to_string(value), "use " + std::to_string(least) + " or more");
  return value;
}

Config bench_config(const cxxopts::ParseResult& parsed) {
  ConfigSources sources;
  if (parsed.count("config") > 0) {
    for (const std::string& name : parsed["config"].as<std::vector<std::string>>()) sources.files.push_back(find_config(name));
  }
  sources.overrides = {"prompt=\"a red mushroom\"", "train.watchdog_patience=0",
                       "render.train_resolution=" + std::to_string(positive(parsed, "resolution", 8))};
  for (const std::string& text : key_value_arguments(parsed)) sources.overrides.push_back(text);
  if (parsed.count("prior") > 0) sources.overrides.push_back("prior=" + nlohmann::json(parsed["prior"].as<std::string>()).dump());
  for (const std::string& text : common_overrides(parsed)) sources.overrides.push_back(text);
  return load_config(sources);
}

/// Waits for everything that a GPU was given; nothing on a CPU.
std::function<void()> synchroniser(c10::Device device) {
  if (device.is_cpu()) return {};
  return [device] { c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index()); };
}

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(std::min(line.size(), line.find(':') + 2));
  }
  return "unknown";
}

ordered_json machine(c10::Device device) {
  return {{"processor", processor_name()},
          {"threads", at::get_num_threads()},
          {"device", device.str()},
          {"gpu", device.is_cpu() ? "" : describe_gpu()},
          {"version", version()},
          {"build", build_description()}};
}

ordered_json bench_renderer(const bench::RenderBench& render, int repeats, const std::function<void()>& synchronise) {
  ordered_json all = {{"samples_per_ray", render.samples_per_ray()}};
  std::printf("render + backward, the same samples (%.1f a ray)\n", render.samples_per_ray());
  for (const bench::Variant variant : bench::kVariants) {
    const auto timings = bench::measure_in_turns({{"own kernels", [&] { render.run(variant); }},
                                                  {"plain ATen",
                                                   [&] {
                                                     const ops::ScopedReference plain;
                                                     render.run(variant);
                                                   }}},
                                                 repeats, synchronise);
    const double factor = bench::ratio(timings[1], timings[0]);
    std::printf("  %-14s%s   plain ATen %s   ratio %.1f\n", variant_name(variant).c_str(), bench::to_text(timings[0]).c_str(),
                bench::to_text(timings[1]).c_str(), factor);
    all[variant_name(variant)] = {{"own", bench::to_json(timings[0])}, {"plain_aten", bench::to_json(timings[1])}, {"plain_aten_over_own", factor}};
  }
  const auto march = bench::measure_in_turns({{"ray march", [&] { render.march(); }},
                                              {"plain ATen",
                                               [&] {
                                                 const ops::ScopedReference plain;
                                                 render.march();
                                               }}},
                                             repeats, synchronise);
  std::printf("  %-14s%s   plain ATen %s   ratio %.1f\n", "ray march", bench::to_text(march[0]).c_str(), bench::to_text(march[1]).c_str(),
              bench::ratio(march[1], march[0]));
  all["ray_march"] = {{"own", bench::to_json(march[0])},
                      {"plain_aten", bench::to_json(march[1])},
                      {"plain_aten_over_own", bench::ratio(march[1], march[0])}};
  return all;
}

}  // namespace

ExitCode command_bench(const Arguments& arguments) {
  cxxopts::Options options = bench_options();
  const cxxopts::ParseResult parsed = parse_arguments(options, arguments);
  if (handle_common_options(options, parsed)) return ExitCode::kDone;
  const int repeats = positive(parsed, "repeats", 1), warm_up = positive(parsed, "warm-up", 0), resolution = positive(parsed, "resolution", 8);
  Config config = bench_config(parsed);
  config.iterations = std::max<std::int64_t>(config.iterations, warm_up + 3 * (repeats + 1));
  const c10::Device device = prepare_device(config);
  const PriorPack pack = PriorPack::open(find_prior(config.prior));
  check_prior_fits(config, pack.manifest());
  const auto prior = load_prior(pack, prior_options(config));
  const auto synchronise = synchroniser(device);

  ordered_json report = {{"machine", machine(device)}, {"prior", pack.manifest().name}, {"field", config.field.type},
                         {"resolution", resolution}, {"views", config.train.batch_size}};
  const bench::GuidedForward guided(*prior, config);
  Trainer trainer(config, *prior);
  ProgressLine progress("warming up", warm_up);
  for (int step = 1; step <= warm_up; ++step) {
    trainer.step();
    progress.update(step);
    stop_if_interrupted("nothing was written");
  }
  progress.finish();
  const bench::StepTimes steps = bench::measure_steps(trainer, guided, repeats, synchronise);
  std::printf("training step, %lld view(s) of %d×%d, %d thread(s)\n%s", static_cast<long long>(config.train.batch_size), resolution, resolution,
              at::get_num_threads(), bench::to_text(steps).c_str());
  report["training_step"] = bench::to_json(steps);

  const Scene scene = trainer.take_scene();
  const bench::RenderBench render(scene, config, resolution);
  report["render"] = bench_renderer(render, repeats, synchronise);
  if (config.field.type == "hash") report["roofline"] = bench::roofline(render, config, repeats, synchronise);
  if (parsed.count("sweep") > 0) report["sweep"] = bench::sweep(scene, config, repeats, synchronise);
  report["peak_memory_mb"] = static_cast<double>(peak_resident_bytes()) / 1e6;
  std::printf("memory  at most %s\n", bytes_text(peak_resident_bytes()).c_str());
  if (parsed.count("json") > 0) write_file_atomically(parsed["json"].as<std::string>(), report.dump(2) + "\n");
  if (parsed.count("export") > 0) {
    const std::vector<char> bytes = pickle_state(render.exported());
    write_file_atomically(parsed["export"].as<std::string>(), std::string(bytes.begin(), bytes.end()));
  }
  return ExitCode::kDone;
}

}  // namespace dreamfusion
