#pragma once
/// Options of the optimisation: losses, optimiser, training loop.
#include <cstdint>
#include <string>

#include "dreamfusion/config/values.h"

namespace dreamfusion {

struct LossConfig {
  std::string reduction = "mean";
  std::string orient_views = "auto";
  ScheduledValue lambda_sds = 100.0;
  ScheduledValue lambda_orient = 0.01;
  ScheduledValue lambda_opacity = 0.5;
  ScheduledValue lambda_entropy{{{{0.0, true}, 0.0, 0.3, {0.5, true}}}};
  ScheduledValue lambda_sparsity = 0.0;
  ScheduledValue lambda_opaque = 0.0;
  ScheduledValue lambda_z_variance{{{{0.4, true}, 0.0, 800.0, {0.8, true}}}};
  ScheduledValue lambda_distortion = 0.0;
  ScheduledValue lambda_tv = 0.0;
  ScheduledValue lambda_interlevel = 1.0;

  bool orients_every_view() const { return orient_views == "all" || (orient_views == "auto" && reduction == "threestudio"); }

  template <class V>
  void visit(V& v) {
    constexpr Interval kAny{0, 1e9};
    v.choice("reduction", reduction, "of lambda_sds, lambda_orient, lambda_opacity and lambda_entropy: mean = over pixels and rays; sum = over the pixels and rays of a view, mean over views (DreamFusion's pseudocode); threestudio = SDS as sum, orient summed over samples by the rays that hit, the rest as mean", {"mean", "sum", "threestudio"});
    v.option("lambda_sds", lambda_sds, "weight of score distillation", kAny);
    v.option("lambda_orient", lambda_orient, "weight of the orientation loss Σ w·max(0, n·v)²: normals that face away from the camera", kAny);
    v.choice("orient_views", orient_views, "views that the orientation loss sees: lit = those that need normals anyway, all = every view (DreamFusion, threestudio), auto = all with reduction=threestudio, else lit", {"auto", "lit", "all"});
    v.option("lambda_opacity", lambda_opacity, "weight of √(opacity² + 0.01): less fog (DreamFusion)", kAny);
    v.option("lambda_entropy", lambda_entropy, "weight of the binary entropy of the opacity in bits: rays hit or miss", kAny);
    v.option("lambda_sparsity", lambda_sparsity, "threestudio's sparsity: √(opacity² + 0.01), always the mean over rays", kAny);
    v.option("lambda_opaque", lambda_opaque, "threestudio's opaque: binary entropy of the opacity in nats, always the mean over rays", kAny);
    v.option("lambda_z_variance", lambda_z_variance, "weight of the variance of depth along rays with opacity > 0.5, mean over them: thin surfaces (HiFA)", kAny);
    v.option("lambda_distortion", lambda_distortion, "weight of the distortion loss, mean over rays, distances in chords of the sphere: compact weights (mip-NeRF 360: 0.01)", kAny);
    v.option("lambda_tv", lambda_tv, "weight of the total variation of the feature grids: mean squared difference of neighbouring vertices, summed over features (field.type=hash, dense levels)", kAny);
    v.option("lambda_interlevel", lambda_interlevel, "weight of the loss that makes proposals enclose the field's weights (mip-NeRF 360: 1; render.sampling=proposal)", kAny);
  }
};

struct ShampooConfig {
  std::int64_t block_size = 128;
  double exponent = 2.0;
  std::int64_t start_step = 5;
  std::int64_t refresh = 1;

  template <class V>
  void visit(V& v) {
    v.option("block_size", block_size, "matrices are preconditioned in blocks of at most this edge (DreamFusion: 128)", Interval{1, 8192});
    v.option("exponent", exponent, "the inverse p-th root that preconditions each side (exponent_override; DreamFusion: 2)", Interval{1, 16});
    v.option("start_step", start_step, "before this step the grafted sign update stands alone", Interval{1, 1e9});
    v.option("refresh", refresh, "steps between new inverse roots", Interval{1, 10000});
  }
};

struct OptimizerConfig {
  std::string type = "adam";
  double lr_grid = 0.02;
  double lr_network = 0.004;
  double lr_background = 0.004;
  double lr_proposal = 0.004;
  ScheduledValue lr_scale{{{{0.5, true}, 1.0, 0.1, {1.0, true}}}};
  std::int64_t warmup_steps = 0;
  double warmup_start = 1e-5;
  double cosine_end = 1.0;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double beta3 = 0.99;
  double epsilon = 1e-15;
  double weight_decay = 0.0;
  ShampooConfig shampoo;

  template <class V>
  void visit(V& v) {
    v.choice("type", type, "optimiser: adam, adan (arXiv:2208.06677) or Distributed Shampoo (arXiv:2002.09018; DreamFusion)", {"adam", "adan", "shampoo"});
    v.option("lr_grid", lr_grid, "learning rate of the feature grids", Interval{0, 10});
    v.option("lr_network", lr_network, "learning rate of the field's network", Interval{0, 10});
    v.option("lr_background", lr_background, "learning rate of a learned background", Interval{0, 10});
    v.option("lr_proposal", lr_proposal, "learning rate of the proposal network", Interval{0, 10});
    v.option("lr_scale", lr_scale, "factor on every learning rate", Interval{0, 100});
    v.option("warmup_steps", warmup_steps, "the learning rate rises linearly for this many steps (DreamFusion: 3,000)", Interval{0, 1e9});
    v.option("warmup_start", warmup_start, "… from this share of itself (DreamFusion: 1e-9 of 1e-4, that is 1e-5)", Interval{0, 1});
    v.option("cosine_end", cosine_end, "after the warm-up it falls as a cosine to this share of itself at the end (DreamFusion: 1e-6 of 1e-4, that is 0.01); 1 = not", Interval{0, 1});
    v.option("beta1", beta1, "decay of the first moment (Adam, Shampoo: 0.9; Adan: 0.98)", Interval{0, 0.99999});
    v.option("beta2", beta2, "decay of the second moment (Shampoo: of the preconditioners, 0.9), of the gradients' differences (Adan: 0.92)", Interval{0, 0.99999});
    v.option("beta3", beta3, "decay of the second moment of Adan (0.99)", Interval{0, 0.99999});
    v.option("epsilon", epsilon, "Adam, Adan: added to the root of the second moment; Shampoo: initial preconditioner and ridge (DreamFusion: 1e-6)", Interval{1e-20, 1});
    v.option("weight_decay", weight_decay, "Adan: proximal weight decay (stable-dreamfusion: 2e-5)", Interval{0, 10});
    v.section("shampoo", shampoo, "optimizer.type=shampoo");
  }
};

struct TrainConfig {
  std::int64_t batch_size = 1;
  double ema_decay = 0.0;
  std::int64_t preview_every = 100;
  std::int64_t checkpoint_every = 200;
  std::int64_t keep_checkpoints = 2;
  std::int64_t log_every = 10;
  double watchdog_min_opacity = 0.003;
  double watchdog_max_opacity = 0.97;
  std::int64_t watchdog_patience = 100;

  template <class V>
  void visit(V& v) {
    v.option("batch_size", batch_size, "views a step (DreamFusion: 4, one a chip)", Interval{1, 256});
    v.option("ema_decay", ema_decay, "previews, turntable and mesh show a running mean of the parameters with this decay a step (stable-dreamfusion: 0.95); 0 = the parameters themselves", Interval{0, 0.99999});
    v.option("preview_every", preview_every, "steps between preview images; 0 = none before the end", Interval{0, 1e9});
    v.option("checkpoint_every", checkpoint_every, "steps between checkpoints; 0 = only at the end", Interval{0, 1e9});
    v.option("keep_checkpoints", keep_checkpoints, "how many of the latest checkpoints stay", Interval{1, 1000});
    v.option("log_every", log_every, "steps between lines of metrics.jsonl", Interval{1, 1e9});
    v.option("watchdog_min_opacity", watchdog_min_opacity, "mean opacity of the view below which the scene counts as empty", Interval{0, 1});
    v.option("watchdog_max_opacity", watchdog_max_opacity, "mean opacity of the view above which the scene counts as fog", Interval{0, 1});
    v.option("watchdog_patience", watchdog_patience, "steps in a row of an empty or foggy scene before the run gives up; 0 = never", Interval{0, 1e9});
  }
};

}  // namespace dreamfusion
