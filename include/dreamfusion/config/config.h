#pragma once
/// Every option of a run, as plain structs.
///
/// Each struct names its options once, in `visit`; the strict JSON reader, the writer, `key=value` overrides, --help-config and
/// the docs all walk that one list. A visitor has
///   section(name, member, help)                       a nested struct
///   option(name, member, help)                        any value
///   option(name, member, help, Interval{low, high})   numbers, lists, intervals and schedules: every number in range
///   choice(name, member, help, {"a", "b"})            text, one of a list
#include <cstdint>
#include <string>
#include <vector>

#include "dreamfusion/config/values.h"

namespace dreamfusion {

struct FieldConfig {
  std::string type = "grid";
  double bounding_radius = 1.0;
  std::vector<std::int64_t> grid_resolutions = {12, 24, 48};
  std::int64_t grid_features = 4;
  std::int64_t hash_table_log2 = 19;
  std::int64_t hidden_width = 32;
  std::string density_activation = "softplus";
  std::string density_init = "magic3d";
  double blob_strength = 10.0;
  double blob_radius = 0.5;
  double normal_step = 0.035;

  template <class V>
  void visit(V& v) {
    v.choice("type", type, "representation of the object: multi-resolution feature grid + small network", {"grid"});
    v.option("bounding_radius", bounding_radius, "the object lives inside this sphere around the origin [world units]", Interval{0.1, 10});
    v.option("grid_resolutions", grid_resolutions, "vertices along an edge of each grid level", Interval{4, 1024});
    v.option("grid_features", grid_features, "features a grid vertex", Interval{1, 8});
    v.option("hash_table_log2", hash_table_log2, "levels with more than 2^this vertices are hashed into a table of that size (Instant-NGP)", Interval{8, 24});
    v.option("hidden_width", hidden_width, "width of the network's hidden layer", Interval{4, 256});
    v.choice("density_activation", density_activation, "raw network output to density", {"softplus", "exp"});
    v.choice("density_init", density_init, "initial blob: magic3d = strength·(1 − r/radius), dreamfusion = strength·exp(−r²/2radius²), both before the activation", {"magic3d", "dreamfusion", "none"});
    v.option("blob_strength", blob_strength, "height of the initial blob", Interval{0, 1000});
    v.option("blob_radius", blob_radius, "radius of the initial blob [world units]", Interval{0.01, 10});
    v.option("normal_step", normal_step, "step of the finite differences behind normals [world units]", Interval{1e-4, 0.5});
  }
};

struct CameraConfig {
  Interval azimuth_deg{-180, 180};
  Interval elevation_deg{-10, 90};
  double area_uniform_fraction = 0.5;
  Interval distance{2.2, 3.0};
  Interval fov_y_deg{38, 52};
  double position_jitter = 0.0;
  double look_at_std = 0.0;
  double up_std = 0.0;

  template <class V>
  void visit(V& v) {
    v.option("azimuth_deg", azimuth_deg, "range of the azimuth; 0 = front (+x), 90 = from +y", Interval{-360, 360});
    v.option("elevation_deg", elevation_deg, "range of the elevation; 90 = from above", Interval{-90, 90});
    v.option("area_uniform_fraction", area_uniform_fraction, "share of cameras with elevation uniform in area instead of in angle (DreamFusion: 0.5)", Interval{0, 1});
    v.option("distance", distance, "range of the distance to the origin [world units]", Interval{0.1, 100});
    v.option("fov_y_deg", fov_y_deg, "range of the vertical field of view", Interval{1, 150});
    v.option("position_jitter", position_jitter, "uniform jitter of the position, ± this on each axis (DreamFusion: 0.1)", Interval{0, 1});
    v.option("look_at_std", look_at_std, "standard deviation of the look-at point (DreamFusion: 0.2)", Interval{0, 1});
    v.option("up_std", up_std, "standard deviation of the up vector (DreamFusion: 0.02)", Interval{0, 1});
  }
};

struct LightConfig {
  double position_std = 1.0;
  Interval distance{2.5, 3.5};
  double ambient = 0.45;
  double diffuse = 0.6;
  ScheduledValue lit_probability{{{{0.1, true}, 0.0, 0.15, {0.1, true}}}};
  double textureless_probability = 0.0;

  template <class V>
  void visit(V& v) {
    v.option("position_std", position_std, "direction of the point light: normal around the camera position with this spread (DreamFusion: 1)", Interval{0, 10});
    v.option("distance", distance, "distance of the light to the origin [world units] (DreamFusion: 0.8 to 1.5)", Interval{0.1, 100});
    v.option("ambient", ambient, "ambient light of lit views (DreamFusion: 0.1)", Interval{0, 2});
    v.option("diffuse", diffuse, "diffuse light of lit views (DreamFusion: 0.9)", Interval{0, 2});
    v.option("lit_probability", lit_probability, "share of views with light; the others show plain albedo (DreamFusion: 0.75 after 1,000 steps)", Interval{0, 1});
    v.option("textureless_probability", textureless_probability, "share of the lit views with white albedo (DreamFusion: 0.5)", Interval{0, 1});
  }
};

struct BackgroundConfig {
  std::string type = "random";
  double random_probability = 0.5;
  std::int64_t hidden_width = 32;
  std::int64_t encoding_degree = 4;

  template <class V>
  void visit(V& v) {
    v.choice("type", type, "random = one random colour a view; environment = learned network on the ray direction", {"random", "environment"});
    v.option("random_probability", random_probability, "with environment: share of views that get a random colour all the same, so that the background cannot draw the object", Interval{0, 1});
    v.option("hidden_width", hidden_width, "with environment: width of the network", Interval{4, 256});
    v.option("encoding_degree", encoding_degree, "with environment: octaves of the direction's positional encoding", Interval{0, 10});
  }
};

struct RenderConfig {
  ScheduledValue train_resolution{{{{0.5, true}, 32, 64, {0.5, true}}}};
  std::int64_t samples_per_ray = 64;
  std::int64_t occupancy_resolution = 32;
  double occupancy_threshold = 1.0;
  double occupancy_decay = 0.95;
  std::int64_t occupancy_refresh = 16;

  template <class V>
  void visit(V& v) {
    v.option("train_resolution", train_resolution, "edge of the training renders [pixels]; resized to what the prior wants", Interval{8, 1024});
    v.option("samples_per_ray", samples_per_ray, "stratified samples across the bounding sphere's diameter; empty space is skipped", Interval{4, 4096});
    v.option("occupancy_resolution", occupancy_resolution, "cells along an edge of the occupancy grid; 0 = no skipping", Interval{0, 256});
    v.option("occupancy_threshold", occupancy_threshold, "a cell is skipped below this density [1/world unit]", Interval{0, 1000});
    v.option("occupancy_decay", occupancy_decay, "the grid keeps a running maximum that fades by this factor at each refresh", Interval{0, 1});
    v.option("occupancy_refresh", occupancy_refresh, "steps between refreshes of the grid", Interval{1, 10000});
  }
};

struct GuidanceConfig {
  double guidance_scale = 8.0;
  std::string weighting = "sigma2";
  ScheduledValue min_step_percent = 0.05;
  ScheduledValue max_step_percent{{{{0.0, true}, 0.98, 0.7, {0.8, true}}}};
  std::string view_conditioning = "auto";
  bool view_dependent_prompting = true;
  double front_threshold_deg = 45.0;
  double back_threshold_deg = 45.0;
  double overhead_threshold_deg = 60.0;

  template <class V>
  void visit(V& v) {
    v.option("guidance_scale", guidance_scale, "ω of DreamFusion: ε̂ = (1+ω)·ε(text) − ω·ε(null); what diffusers calls guidance_scale is ω + 1", Interval{0, 1000});
    v.choice("weighting", weighting, "w(t) of the SDS gradient: sigma2 = σ_t² (DreamFusion), uniform = 1", {"sigma2", "uniform"});
    v.option("min_step_percent", min_step_percent, "smallest noise level, as a share of the prior's time steps", Interval{0, 1});
    v.option("max_step_percent", max_step_percent, "largest noise level, as a share of the prior's time steps", Interval{0, 1});
    v.choice("view_conditioning", view_conditioning, "how the prior learns the view: camera = its camera input, words = \", front view\" in the prompt, auto = both where the pack has a camera input", {"auto", "words", "camera"});
    v.option("view_dependent_prompting", view_dependent_prompting, "append the view words to the prompt");
    v.option("front_threshold_deg", front_threshold_deg, "|azimuth| up to this is the front view", Interval{0, 180});
    v.option("back_threshold_deg", back_threshold_deg, "|azimuth| from 180° minus this is the back view", Interval{0, 180});
    v.option("overhead_threshold_deg", overhead_threshold_deg, "elevation above this is the overhead view", Interval{0, 90});
  }
};

struct LossConfig {
  ScheduledValue lambda_sds = 100.0;
  ScheduledValue lambda_orient = 0.01;
  ScheduledValue lambda_opacity = 0.5;
  ScheduledValue lambda_entropy{{{{0.0, true}, 0.0, 0.3, {0.5, true}}}};

  template <class V>
  void visit(V& v) {
    v.option("lambda_sds", lambda_sds, "weight of score distillation; the gradient is a mean over views, pixels and channels", Interval{0, 1e9});
    v.option("lambda_orient", lambda_orient, "weight of the orientation loss: normals that face away from the camera (mean over rays)", Interval{0, 1e9});
    v.option("lambda_opacity", lambda_opacity, "weight of √(opacity² + 0.01) (mean over rays): less fog", Interval{0, 1e9});
    v.option("lambda_entropy", lambda_entropy, "weight of the binary entropy of the opacity (mean over rays): rays hit or miss", Interval{0, 1e9});
  }
};

struct OptimizerConfig {
  std::string type = "adam";
  double lr_grid = 0.02;
  double lr_network = 0.004;
  double lr_background = 0.004;
  ScheduledValue lr_scale{{{{0.5, true}, 1.0, 0.1, {1.0, true}}}};
  double beta1 = 0.9;
  double beta2 = 0.99;
  double epsilon = 1e-15;

  template <class V>
  void visit(V& v) {
    v.choice("type", type, "optimiser", {"adam"});
    v.option("lr_grid", lr_grid, "learning rate of the feature grids", Interval{0, 10});
    v.option("lr_network", lr_network, "learning rate of the field's network", Interval{0, 10});
    v.option("lr_background", lr_background, "learning rate of a learned background", Interval{0, 10});
    v.option("lr_scale", lr_scale, "factor on every learning rate", Interval{0, 100});
    v.option("beta1", beta1, "decay of the first moment", Interval{0, 0.99999});
    v.option("beta2", beta2, "decay of the second moment", Interval{0, 0.99999});
    v.option("epsilon", epsilon, "added to the root of the second moment", Interval{1e-20, 1});
  }
};

struct TrainConfig {
  std::int64_t batch_size = 1;
  std::int64_t preview_every = 100;
  std::int64_t checkpoint_every = 200;
  std::int64_t keep_checkpoints = 2;
  std::int64_t log_every = 10;
  double watchdog_min_opacity = 0.003;
  double watchdog_max_opacity = 0.97;
  std::int64_t watchdog_patience = 100;

  template <class V>
  void visit(V& v) {
    v.option("batch_size", batch_size, "views a step", Interval{1, 256});
    v.option("preview_every", preview_every, "steps between preview images; 0 = none before the end", Interval{0, 1e9});
    v.option("checkpoint_every", checkpoint_every, "steps between checkpoints; 0 = only at the end", Interval{0, 1e9});
    v.option("keep_checkpoints", keep_checkpoints, "how many of the latest checkpoints stay", Interval{1, 1000});
    v.option("log_every", log_every, "steps between lines of metrics.jsonl", Interval{1, 1e9});
    v.option("watchdog_min_opacity", watchdog_min_opacity, "mean opacity of the view below which the scene counts as empty", Interval{0, 1});
    v.option("watchdog_max_opacity", watchdog_max_opacity, "mean opacity of the view above which the scene counts as fog", Interval{0, 1});
    v.option("watchdog_patience", watchdog_patience, "steps in a row of an empty or foggy scene before the run gives up; 0 = never", Interval{0, 1e9});
  }
};

struct TurntableConfig {
  std::int64_t frames = 36;
  std::int64_t size = 192;
  double elevation_deg = 20.0;
  double distance = 2.6;
  double fov_y_deg = 40.0;
  std::int64_t frames_per_second = 15;

  template <class V>
  void visit(V& v) {
    v.option("frames", frames, "views of a full turn; 0 = no turntable", Interval{0, 1000});
    v.option("size", size, "edge of a frame [pixels]", Interval{16, 2048});
    v.option("elevation_deg", elevation_deg, "elevation of the camera", Interval{-90, 90});
    v.option("distance", distance, "distance of the camera to the origin [world units]", Interval{0.1, 100});
    v.option("fov_y_deg", fov_y_deg, "vertical field of view", Interval{1, 150});
    v.option("frames_per_second", frames_per_second, "speed of the animation", Interval{1, 60});
  }
};

struct MeshConfig {
  std::int64_t resolution = 96;
  double isosurface_threshold = 0.0;
  double min_component = 0.05;

  template <class V>
  void visit(V& v) {
    v.option("resolution", resolution, "density samples along an edge of the object's box; 0 = no mesh", Interval{0, 512});
    v.option("isosurface_threshold", isosurface_threshold, "density of the surface [1/world unit]; 0 = found automatically", Interval{0, 1e6});
    v.option("min_component", min_component, "pieces with less than this share of the largest piece's area are dropped", Interval{0, 1});
  }
};

/// The defaults are those of configs/base.json: tuned to the prior that ships.
struct Config {
  std::string prompt;
  std::string prior;
  std::string device = "auto";
  std::int64_t threads = 0;
  std::int64_t seed = 0;
  std::int64_t iterations = 700;
  FieldConfig field;
  CameraConfig camera;
  LightConfig light;
  BackgroundConfig background;
  RenderConfig render;
  GuidanceConfig guidance;
  LossConfig loss;
  OptimizerConfig optimizer;
  TrainConfig train;
  TurntableConfig turntable;
  MeshConfig mesh;

  template <class V>
  void visit(V& v) {
    v.option("prompt", prompt, "the sentence");
    v.option("prior", prior, "folder of the prior pack; empty = priors/starter-64 beside the program or in its checkout");
    v.option("device", device, "auto, cpu, cuda or cuda:N");
    v.option("threads", threads, "CPU threads; 0 = all cores", Interval{0, 1024});
    v.option("seed", seed, "same seed, same machine, same result", Interval{0, 9007199254740991.0});
    v.option("iterations", iterations, "optimisation steps", Interval{1, 10000000});
    v.section("field", field, "the object's representation");
    v.section("camera", camera, "where training views are taken from");
    v.section("light", light, "how training views are lit");
    v.section("background", background, "what is behind the object in training views");
    v.section("render", render, "volume rendering");
    v.section("guidance", guidance, "score distillation from the prior");
    v.section("loss", loss, "weights of the losses");
    v.section("optimizer", optimizer, "the optimiser");
    v.section("train", train, "the training loop");
    v.section("turntable", turntable, "the turntable at the end");
    v.section("mesh", mesh, "the mesh at the end");
  }
};

}  // namespace dreamfusion
