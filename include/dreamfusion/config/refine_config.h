#pragma once
/// Options of the refinement: the finished object's mesh, shaped and coloured further under the same guidance.
#include <cstdint>

#include "dreamfusion/config/values.h"

namespace dreamfusion {

struct RefineConfig {
  bool after_training = false;
  std::int64_t fit_steps = 120;
  std::int64_t steps = 200;
  std::int64_t views = 2;
  std::int64_t render_size = 128;
  ScheduledValue min_noise_percent = 0.02;
  ScheduledValue max_noise_percent{{{{0.0, true}, 0.5, 0.3, {1.0, true}}}};
  double lambda_volume = 500.0;
  double lambda_roughness = 1.0;
  ScheduledValue lr_vertices{{{{0.0, true}, 0.01, 0.001, {1.0, true}}}};
  ScheduledValue lr_color{{{{0.0, true}, 0.1, 0.02, {1.0, true}}}};
  double smoothness = 19.0;

  template <class V>
  void visit(V& v) {
    v.option("after_training", after_training, "refine the mesh at the end of a run, as `dreamfusion refine RUN` does");
    v.option("fit_steps", fit_steps, "steps that first bring outlines and colours to those of the volume", Interval{0, 1e6});
    v.option("steps", steps, "steps under the guidance after that", Interval{0, 1e7});
    v.option("views", views, "views a step; a multiple of the views that a multi-view prior looks at together", Interval{1, 256});
    v.option("render_size", render_size, "edge of the views [pixels]", Interval{16, 2048});
    v.option("min_noise_percent", min_noise_percent, "smallest noise level, as guidance.min_step_percent, over the steps under the guidance", Interval{0, 1});
    v.option("max_noise_percent", max_noise_percent, "largest noise level: low ones keep the object and work on its details", Interval{0, 1});
    v.option("lambda_volume", lambda_volume, "weight of the squared differences to the volume's outlines, colours and distances", Interval{0, 1e9});
    v.option("lambda_roughness", lambda_roughness, "weight of the squared distance of vertices to the mean of their neighbours, in lengths of an edge: smooth surfaces", Interval{0, 1e9});
    v.option("lr_vertices", lr_vertices, "learning rate of the vertices before smoothing [world units], over all steps", Interval{0, 10});
    v.option("lr_color", lr_color, "factor on the optimiser's learning rates for the colours", Interval{0, 100});
    v.option("smoothness", smoothness, "λ of I + λL, which makes vertices move together (Nicolet et al., SIGGRAPH Asia 2021: 19)", Interval{0, 1e4});
  }
};

}  // namespace dreamfusion
