#include "bench/sweep.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/render_bench.h"
#include "bench/timing.h"

namespace dreamfusion::bench {
namespace {

using nlohmann::ordered_json;

/// One point of a curve: `views` renders one after the other.
ordered_json measure(const RenderBench& render, double x, int views, int repeats, const std::function<void()>& synchronise) {
  const auto all_views = [&](Variant variant) {
    return [&render, views, variant] {
      for (int view = 0; view < views; ++view) render.run(variant);
    };
  };
  const auto timings =
      measure_in_turns({{"albedo", all_views(Variant::kAlbedo)}, {"lit", all_views(Variant::kForwardDifference)}}, repeats, synchronise);
  const double samples = static_cast<double>(views) * static_cast<double>(render.samples().t.size(0));
  std::printf("  %12.0f %12.0f samples   albedo %9.2f ms   lit %9.2f ms\n", x, samples, 1e3 * timings[0].median(), 1e3 * timings[1].median());
  std::fflush(stdout);
  return {{"x", x}, {"samples", samples}, {"albedo_ms", 1e3 * timings[0].median()}, {"lit_fd_ms", 1e3 * timings[1].median()}};
}

/// The base resolutions, `times` as fine.
Config with_finer_grid(Config config, double times) {
  for (std::int64_t& resolution : config.field.hash.resolutions)
    resolution = std::max<std::int64_t>(4, std::llround(times * static_cast<double>(resolution)));
  config.field.hash.table_log2 = 24;
  return config;
}

}  // namespace

ordered_json sweep(const Scene& scene, const Config& config, int repeats, const std::function<void()>& synchronise) {
  constexpr std::int64_t kEdge = 64;
  const int few = std::max(3, repeats / 4);
  ordered_json all;
  std::printf("edge of the view [pixels]\n");
  for (const std::int64_t edge : {32, 64, 128, 256, 512})
    all["pixels"].push_back(measure(RenderBench(scene, config, edge), static_cast<double>(edge * edge), 1, few, synchronise));
  std::printf("views of %lld×%lld\n", static_cast<long long>(kEdge), static_cast<long long>(kEdge));
  const RenderBench view(scene, config, kEdge);
  for (const int views : {1, 2, 4, 8}) all["views"].push_back(measure(view, views, views, few, synchronise));
  std::printf("samples across the sphere\n");
  for (const std::int64_t samples : {16, 32, 64, 128, 256}) {
    Config changed = config;
    changed.render.samples_per_ray = samples;
    all["samples"].push_back(measure(RenderBench(scene, changed, kEdge), static_cast<double>(samples), 1, few, synchronise));
  }
  if (config.field.type != "hash") return all;
  std::printf("rows of the field's table\n");
  for (const double times : {0.5, 1.0, 2.0, 4.0}) {
    const Config changed = with_finer_grid(config, times);
    const Scene other = make_scene(changed, scene.occupancy.device());
    double rows = 0;
    for (const std::int64_t resolution : changed.field.hash.resolutions) rows += static_cast<double>(resolution * resolution * resolution);
    const RenderBench render(other, changed, kEdge);
    all["table_rows"].push_back(measure(render, rows, 1, few, synchronise));
  }
  return all;
}

}  // namespace dreamfusion::bench
