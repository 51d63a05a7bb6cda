#include "bench/roofline.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/timing.h"
#include "dreamfusion/core/profile.h"

namespace dreamfusion::bench {
namespace {

using nlohmann::ordered_json;

/// Operations and bytes of one call.
struct Work {
  double flops, bytes;
};

/// Counts of the default field and its samples. Legend: L levels, F features, I = L·F inputs, W hidden width.
struct Counts {
  double samples, rays, steps, levels, features, inputs, width, table_bytes;
  double columns(Variant v) const { return v == Variant::kForwardDifference ? 4.0 : 1.0; }

  /// Seven interpolations of three operations for each feature.
  double encode() const { return levels * 21.0 * features; }
  double rows() const { return levels * 8.0 * features * 4.0; }  // bytes of table rows that a column touches
  double network(Variant v) const { return 2.0 * width * (inputs * columns(v) + 4.0 + (columns(v) - 1.0)); }

  Work field_forward(Variant v) const {
    // Analytic normals go back through the network once more, and interpolate three slopes.
    const double extra = v == Variant::kAnalytic ? 2.0 * width * inputs + levels * 36.0 * features : 0.0;
    const double answers = 4.0 * (v == Variant::kAlbedo ? 4.0 : 7.0);
    return {samples * (columns(v) * encode() + network(v) + extra), samples * (12.0 + answers + columns(v) * rows())};
  }
  Work field_backward(Variant v) const {
    const Work again = field_forward(v);
    const double scatter = columns(v) * levels * 16.0 * features * (v == Variant::kAnalytic ? 2.0 : 1.0);
    const double slopes = v == Variant::kAnalytic ? 4.0 * width * inputs + levels * 36.0 * features : 0.0;
    return {again.flops + samples * (2.0 * network(v) + scatter + slopes),
            again.bytes + samples * (2.0 * columns(v) * rows()) + 2.0 * table_bytes};
  }
  Work composite_forward(Variant v) const {
    const double channels = v == Variant::kAlbedo ? 5.0 : 8.0;
    return {samples * (20.0 + 2.0 * channels), samples * 4.0 * (4.0 + (channels - 2.0)) + rays * 4.0 * channels};
  }
  Work composite_backward(Variant v) const {
    const double channels = v == Variant::kAlbedo ? 5.0 : 8.0;
    return {samples * (20.0 + 4.0 * channels), samples * 4.0 * (5.0 + 2.0 * (channels - 2.0)) + rays * 4.0 * channels};
  }
  Work march() const { return {rays * steps * 14.0, rays * 24.0 + samples * 28.0}; }
};

Counts counts_of(const RenderBench& render, const Config& config) {
  const HashFieldConfig& hash = config.field.hash;
  double rows = 0;
  for (const std::int64_t resolution : hash.resolutions) rows += static_cast<double>(resolution * resolution * resolution);
  const auto samples = static_cast<double>(render.samples().t.size(0));
  const auto levels = static_cast<double>(hash.resolutions.size()), features = static_cast<double>(hash.features);
  return {samples, samples / render.samples_per_ray(), static_cast<double>(config.render.samples_per_ray), levels, features, levels * features,
          static_cast<double>(hash.width), rows * features * 4.0};
}

struct Ceilings {
  double gflops, copy_gb_s;
};

Ceilings ceilings(c10::Device device, int repeats, const std::function<void()>& synchronise) {
  constexpr std::int64_t kEdge = 1024, kFloats = 1 << 24;
  const auto options = at::TensorOptions().device(device).dtype(at::kFloat);
  const at::Tensor a = at::rand({kEdge, kEdge}, options), b = at::rand({kEdge, kEdge}, options), from = at::rand({kFloats}, options);
  at::Tensor product = at::empty_like(a), to = at::empty_like(from);
  const auto timings =
      measure_in_turns({{"product", [&] { at::mm_out(product, a, b); }}, {"copy", [&] { to.copy_(from); }}}, repeats, synchronise);
  return {2.0 * kEdge * kEdge * kEdge / timings[0].median() / 1e9, 8.0 * kFloats / timings[1].median() / 1e9};
}

}  // namespace

ordered_json roofline(const RenderBench& render, const Config& config, int repeats, const std::function<void()>& synchronise) {
  const Ceilings top = ceilings(render.samples().t.device(), std::max(3, repeats / 4), synchronise);
  ordered_json report = {{"gflops", top.gflops}, {"copy_gb_s", top.copy_gb_s}};
  std::printf("ceilings: %.0f GFLOP/s (matrix product), %.1f GB/s (copy)\n", top.gflops, top.copy_gb_s);
  std::printf("  kernel                            ms   GFLOP/s (share)      GB/s (share)\n");
  const auto put = [&](const std::string& name, double seconds, const Work& work) {
    const double gflops = work.flops / seconds / 1e9, bandwidth = work.bytes / seconds / 1e9;
    std::printf("  %-28s %8.3f  %8.1f (%4.1f %%)  %8.1f (%4.0f %%)\n", name.c_str(), 1e3 * seconds, gflops, 100 * gflops / top.gflops, bandwidth,
                100 * bandwidth / top.copy_gb_s);
    report["kernels"].push_back({{"name", name}, {"ms", 1e3 * seconds}, {"gflop", work.flops / 1e9}, {"gb", work.bytes / 1e9},
                                 {"share_of_flops", gflops / top.gflops}, {"share_of_bytes", bandwidth / top.copy_gb_s}});
  };
  const Counts counts = counts_of(render, config);
  for (const Variant variant : kVariants) {
    render.run(variant);
    start_profile(synchronise);
    for (int i = 0; i < repeats; ++i) render.run(variant);
    const PartTimes times = stop_profile();
    const auto seconds = [&](const auto& all, Part part) { return all[static_cast<std::size_t>(part)] / repeats; };
    const std::string suffix = ", " + variant_name(variant);
    put("field forward" + suffix, seconds(times.forward, Part::kField), counts.field_forward(variant));
    put("field backward" + suffix, seconds(times.backward, Part::kField), counts.field_backward(variant));
    put("composite forward" + suffix, seconds(times.forward, Part::kComposite), counts.composite_forward(variant));
    put("composite backward" + suffix, seconds(times.backward, Part::kComposite), counts.composite_backward(variant));
  }
  put("ray march", measure_in_turns({{"march", [&] { render.march(); }}}, repeats, synchronise)[0].median(), counts.march());
  return report;
}

}  // namespace dreamfusion::bench
