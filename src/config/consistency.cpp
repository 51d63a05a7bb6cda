#include "consistency.h"

#include <algorithm>
#include <set>

#include "dreamfusion/core/text.h"

namespace dreamfusion {
namespace {

/// Visits every schedule: its moments can only be compared once the number of iterations is known.
class ScheduleOrder {
 public:
  ScheduleOrder(std::int64_t iterations, Problems& problems) : iterations_(iterations), problems_(problems) {}

  template <class Section>
  void section(const std::string& name, Section& members, const std::string&) {
    const std::string outer = prefix_;
    prefix_ += name + ".";
    members.visit(*this);
    prefix_ = outer;
  }

  template <class Value>
  void option(const std::string&, const Value&, const std::string&, const Interval& = {}) {}
  void choice(const std::string&, const std::string&, const std::string&, const std::vector<std::string>&) {}

  void option(const std::string& name, const ScheduledValue& value, const std::string&, const Interval& = {}) {
    double earliest = 0.0;
    for (const ScheduledValue::Segment& segment : value.segments()) {
      const double start = segment.start.step(iterations_), end = segment.end.step(iterations_);
      if (start < earliest) report(name, start, "comes before the previous start, step " + number_text(earliest));
      if (end < start) report(name, end, "is an end before its start, step " + number_text(start));
      earliest = start;
    }
  }

 private:
  void report(const std::string& name, double step, const std::string& problem) {
    problems_.push_back(prefix_ + name + ": with " + std::to_string(iterations_) + " iterations step " + number_text(step) +
                        " " + problem);
  }

  std::int64_t iterations_;
  Problems& problems_;
  std::string prefix_;
};

/// Steps at which a piecewise linear schedule can be extreme: both sides of every corner.
void add_corners(const ScheduledValue& value, std::int64_t iterations, std::set<std::int64_t>& steps) {
  for (const ScheduledValue::Segment& segment : value.segments()) {
    for (const Moment& moment : {segment.start, segment.end}) {
      const auto corner = static_cast<std::int64_t>(std::min(moment.step(iterations), static_cast<double>(iterations)));
      for (const std::int64_t step : {corner - 1, corner, corner + 1}) {
        steps.insert(std::clamp<std::int64_t>(step, 0, iterations));
      }
    }
  }
}

void check_noise_levels(const Config& config, Problems& problems) {
  const ScheduledValue& low = config.guidance.min_step_percent;
  const ScheduledValue& high = config.guidance.max_step_percent;
  std::set<std::int64_t> steps = {0, config.iterations};
  add_corners(low, config.iterations, steps);
  add_corners(high, config.iterations, steps);
  for (const std::int64_t step : steps) {
    const double least = low.at(step, config.iterations), most = high.at(step, config.iterations);
    if (least <= most) continue;
    problems.push_back("guidance.min_step_percent: " + number_text(least) + " at step " + std::to_string(step) +
                       " is above guidance.max_step_percent, " + number_text(most));
    return;
  }
}

/// Two options of which only one can be meant.
struct Conflict {
  bool present;
  const char* first;
  const char* second;
  const char* reason;
};

void check_conflicts(const Config& config, Problems& problems) {
  const GuidanceConfig& guidance = config.guidance;
  const bool own_prompts = !(guidance.prompt_front + guidance.prompt_side + guidance.prompt_back + guidance.prompt_overhead).empty();
  const bool wordless = !guidance.view_dependent_prompting || guidance.view_conditioning == "camera";
  const char* const words_off = guidance.view_dependent_prompting ? "guidance.view_conditioning=camera" : "guidance.view_dependent_prompting=false";
  const bool tv = !config.loss.lambda_tv.is_constant() || config.loss.lambda_tv.at(0, 1) > 0.0;
  const bool scheduled_bound = !guidance.min_step_percent.is_constant() || !guidance.max_step_percent.is_constant();
  const bool proposals_idle = config.render.sampling == "proposal" && config.loss.lambda_interlevel.is_constant() && config.loss.lambda_interlevel.at(0, 1) == 0.0;
  const LightConfig light_default;
  const bool own_light = config.light.ambient != light_default.ambient || config.light.diffuse != light_default.diffuse;
  const Conflict conflicts[] = {
      {guidance.timestep_schedule == "sqrt" && scheduled_bound, "guidance.timestep_schedule=sqrt",
       guidance.max_step_percent.is_constant() ? "a schedule in guidance.min_step_percent" : "a schedule in guidance.max_step_percent",
       "the time step would be annealed twice; give the bound as one number, for example 0.98"},
      {guidance.front_threshold_deg + guidance.back_threshold_deg > 180.0, "guidance.front_threshold_deg", "guidance.back_threshold_deg",
       "together they are more than 180 degrees, front and back would overlap"},
      {!guidance.negative_prompt.empty() && guidance.guidance_scale == 0.0, "guidance.negative_prompt", "guidance.guidance_scale=0",
       "without guidance nothing is asked of the negative prompt"},
      {proposals_idle, "render.sampling=proposal", "loss.lambda_interlevel=0", "the proposal network would never learn"},
      {config.light.soft && own_light, "light.soft=true", "light.ambient or light.diffuse", "soft shading draws both shares anew for each view"},
      {guidance.perp_neg && wordless, "guidance.perp_neg=true", words_off, "Perp-Neg works on the prompts of the views"},
      {guidance.perp_neg && !guidance.negative_prompt.empty(), "guidance.perp_neg=true", "guidance.negative_prompt",
       "Perp-Neg measures every direction from the empty prompt"},
      {own_prompts && wordless, "guidance.prompt_front, _side, _back or _overhead", words_off, "there is no prompt for a view to replace"},
      {guidance.view_blending == "interpolate" && wordless, "guidance.view_blending=interpolate", words_off, "there are no views' prompts to blend"},
      {guidance.guidance_rescale > 0.0 && guidance.dynamic_threshold > 0.0, "guidance.guidance_rescale", "guidance.dynamic_threshold",
       "both set the scale of the guided image"},
      {tv && config.field.type == "mlp", "loss.lambda_tv", "field.type=mlp", "only feature grids have neighbouring vertices"},
      {config.optimizer.type == "shampoo" && config.field.type == "hash", "optimizer.type=shampoo", "field.type=hash",
       "a feature grid would need thousands of preconditioners; use adam or adan"},
      {config.optimizer.weight_decay > 0.0 && config.optimizer.type != "adan", "optimizer.weight_decay", config.optimizer.type == "adam" ? "optimizer.type=adam" : "optimizer.type=shampoo",
       "it is a part of Adan"},
      {config.refine.after_training && config.mesh.resolution == 0, "refine.after_training=true", "mesh.resolution=0", "there is no mesh to refine"},
      {config.mesh.normal_map && config.mesh.texture_size == 0, "mesh.normal_map=true", "mesh.texture_size=0", "a normal map lies where the texture does"},
  };
  for (const Conflict& conflict : conflicts) {
    if (conflict.present) {
      problems.push_back(std::string(conflict.first) + " and " + conflict.second + " cannot be combined: " + conflict.reason);
    }
  }
}

void check_mesh_formats(const std::vector<std::string>& formats, Problems& problems) {
  const std::set<std::string> known = {"obj", "glb", "ply", "stl"};
  if (formats.empty()) problems.push_back("mesh.formats: is empty; name one at least, or set mesh.resolution=0 for no mesh");
  for (const std::string& format : formats) {
    if (known.count(format) == 0) problems.push_back("mesh.formats: \"" + format + "\" is none of obj, glb, ply, stl");
  }
}

}  // namespace

void check_consistency(const Config& config, Problems& problems) {
  Config copy = config;  // visit is written once, for readers too
  ScheduleOrder order(config.iterations, problems);
  copy.visit(order);
  check_noise_levels(config, problems);
  check_conflicts(config, problems);
  check_mesh_formats(config.mesh.formats, problems);
  const TrainConfig& train = config.train;
  if (train.watchdog_min_opacity > train.watchdog_max_opacity) {
    problems.push_back("train.watchdog_min_opacity: " + number_text(train.watchdog_min_opacity) +
                       " is above train.watchdog_max_opacity, " + number_text(train.watchdog_max_opacity));
  }
}

}  // namespace dreamfusion
