#include "dreamfusion/train/training_run.h"

#include <ATen/ATen.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <numbers>
#include <sstream>

#include "dreamfusion/core/interrupt.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/io/image.h"

namespace dreamfusion {
namespace {

constexpr std::int64_t kPreviewSize = 96;
constexpr double kGoodFit = 0.85;  // IoU; chairs and mugs reach 0.95

/// Drops what was logged after the checkpoint that a run goes on from, so that each step stands in the file once.
void trim_metrics(const std::filesystem::path& file, std::int64_t steps_done) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return;
  std::istringstream lines(read_file(file));
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (entry.is_object() && entry.value("step", steps_done + 1) <= steps_done) kept += line + "\n";
  }
  write_file_atomically(file, kept);
}

std::string progress_detail(const StepReport& report) {
  char text[64];
  std::snprintf(text, sizeof(text), "opacity %.2f, %.0f samples/ray", report.mean_opacity, report.samples_per_ray);
  return text;
}

bool due(std::int64_t step, std::int64_t every) { return every > 0 && step % every == 0; }

/// The side effects of a run: what is written when.
class Recorder {
 public:
  Recorder(Trainer& trainer, const Config& config, const RunFolder& folder)
      : trainer_(trainer), config_(config), folder_(folder) {}

  void after_step(const StepReport& report) {
    if (due(report.step, config_.train.log_every) || trainer_.finished()) append_line(folder_.metrics(), report.to_json());
    if (due(report.step, config_.train.preview_every) || trainer_.finished()) {
      trainer_.show([&](const Scene& scene) { write_png(folder_.preview(), preview_image(scene, config_, kPreviewSize)); });
      if (const at::Tensor guidance = trainer_.guidance_preview(); guidance.defined()) write_png(folder_.guidance_preview(), guidance);
    }
    if (due(report.step, config_.train.checkpoint_every) || trainer_.finished()) checkpoint();
  }

  void checkpoint() {
    if (saved_step_ == trainer_.steps_done()) return;
    save_checkpoint(folder_.checkpoints(), trainer_.checkpoint(), config_.train.keep_checkpoints);
    saved_step_ = trainer_.steps_done();
  }

 private:
  Trainer& trainer_;
  const Config& config_;
  const RunFolder& folder_;
  std::int64_t saved_step_ = -1;
};

void start_from_shape(Trainer& trainer, const Solid& shape, const std::string& file) {
  const ShapeFit fit = trainer.start_from(shape);
  char text[64];
  std::snprintf(text, sizeof(text), "fitted in %.1f s, IoU %.3f", fit.seconds, fit.iou);
  log_info("starting from " + file + ": " + text);
  if (fit.iou >= kGoodFit) return;
  log_warning("the field holds the shape of " + file + " only roughly; try more init_mesh.steps, a larger init_mesh.extent, or finer field.hash.resolutions");
}

}  // namespace

std::string StepReport::to_json() const {
  nlohmann::ordered_json line = {{"step", step}, {"sds_gradient_rms", gradient_rms}};
  for (const auto& [name, loss] : losses) line[name] = loss;
  line["mean_opacity"] = mean_opacity;
  line["samples_per_ray"] = samples_per_ray;
  line["timestep"] = timestep;
  line["resolution"] = resolution;
  return line.dump();
}

RunOutcome run_training(Trainer& trainer, const Config& config, const RunFolder& folder, const TrainingRunOptions& options) {
  bool begins = true;
  if (options.resume) {
    if (const auto checkpoint = load_newest_checkpoint(folder.checkpoints())) {
      trainer.restore(*checkpoint, folder.checkpoints().string());
      log_info("going on from step " + std::to_string(checkpoint->step));
      begins = false;
    } else {
      log_info("there is no checkpoint yet: starting at step 0");
    }
  }
  if (begins && options.initial_shape) start_from_shape(trainer, *options.initial_shape, config.init_mesh.file);
  trim_metrics(folder.metrics(), trainer.steps_done());
  Recorder recorder(trainer, config, folder);
  ProgressLine progress("optimising", config.iterations, trainer.steps_done());
  while (!trainer.finished()) {
    if (interrupt_requested() || (options.stop_at > 0 && trainer.steps_done() >= options.stop_at)) {
      recorder.checkpoint();
      return RunOutcome::kInterrupted;
    }
    const StepReport report = trainer.step();
    recorder.after_step(report);
    progress.update(report.step, progress_detail(report));
  }
  return RunOutcome::kFinished;
}

at::Tensor preview_image(const Scene& scene, const Config& config, std::int64_t size) {
  constexpr double kQuarterTurn = std::numbers::pi / 2.0;
  ViewOptions options;
  options.normals = true;
  options.samples_per_ray = config.render.picture_samples_per_ray();
  const SolidBackground background({1.0, 1.0, 1.0});
  std::vector<at::Tensor> colors, normals;
  for (int side = 0; side < 4; ++side) {
    const Camera camera = orbit_camera({.azimuth = side * kQuarterTurn,
                                        .elevation = config.turntable.elevation_deg * std::numbers::pi / 180.0,
                                        .distance = config.turntable.distance,
                                        .fov_y = config.turntable.fov_y_deg * std::numbers::pi / 180.0});
    const ViewImages images = render_images(*scene.field, background, &scene.occupancy, camera, size, size, options);
    colors.push_back(images.color.cpu());
    normals.push_back(images.normal.cpu());
  }
  colors.insert(colors.end(), normals.begin(), normals.end());
  return tile_images(colors, 4);
}

}  // namespace dreamfusion
