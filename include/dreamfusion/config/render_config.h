#pragma once
/// Options of the training views: cameras, lights, backgrounds and volume rendering.
#include <cstdint>
#include <string>

#include "dreamfusion/config/values.h"

namespace dreamfusion {

struct CameraConfig {
  Interval azimuth_deg{-180, 180};
  Interval elevation_deg{-10, 90};
  double area_uniform_fraction = 0.5;
  Interval area_uniform_elevation_deg{-10, 90};
  Interval distance{2.2, 3.0};
  bool relative_distance = false;
  std::string lens = "fov";
  Interval fov_y_deg{38, 52};
  Interval focal{0.7, 1.35};
  double position_jitter = 0.0;
  double look_at_std = 0.0;
  double up_std = 0.0;

  template <class V>
  void visit(V& v) {
    v.option("azimuth_deg", azimuth_deg, "range of the azimuth; 0 = front (+x), 90 = from +y", Interval{-360, 360});
    v.option("elevation_deg", elevation_deg, "range of the elevation; 90 = from above", Interval{-90, 90});
    v.option("area_uniform_fraction", area_uniform_fraction, "share of cameras with elevation uniform in area instead of in angle (DreamFusion: 0.5)", Interval{0, 1});
    v.option("area_uniform_elevation_deg", area_uniform_elevation_deg, "range of the elevation of those (DreamFusion: the upper half-sphere, 0 to 90)", Interval{-90, 90});
    v.option("distance", distance, "range of the distance to the origin [world units] (DreamFusion: 1 to 1.5, inside its sphere)", Interval{0.1, 100});
    v.option("relative_distance", relative_distance, "distance is in multiples of 1/tan(half the field of view): the object fills the picture alike whatever the lens (MVDream)");
    v.choice("lens", lens, "what is drawn uniformly: fov = the angle fov_y_deg, focal = the focal length (DreamFusion)", {"fov", "focal"});
    v.option("fov_y_deg", fov_y_deg, "range of the vertical field of view", Interval{1, 150});
    v.option("focal", focal, "range of the focal length, in widths of the image", Interval{0.1, 100});
    v.option("position_jitter", position_jitter, "uniform jitter of the position, ± this on each axis (DreamFusion: 0.1)", Interval{0, 1});
    v.option("look_at_std", look_at_std, "standard deviation of the look-at point (DreamFusion: 0.2)", Interval{0, 1});
    v.option("up_std", up_std, "standard deviation of the up vector (DreamFusion: 0.02)", Interval{0, 1});
  }
};

struct LightConfig {
  std::string placement = "normal";
  double position_std = 1.0;
  double cone_deg = 60.0;
  Interval distance{2.5, 3.5};
  double ambient = 0.45;
  double diffuse = 0.6;
  bool soft = false;
  ScheduledValue lit_probability{{{{0.1, true}, 0.0, 0.15, {0.1, true}}}};
  double textureless_probability = 0.0;

  template <class V>
  void visit(V& v) {
    v.choice("placement", placement, "direction of the point light: normal = normal distribution around the camera position (DreamFusion), cone = uniform in a cone around the camera's direction (Magic3D)", {"normal", "cone"});
    v.option("position_std", position_std, "with normal: spread around the camera position [world units] (DreamFusion: 1)", Interval{0, 10});
    v.option("cone_deg", cone_deg, "with cone: largest angle to the camera's direction (Magic3D in threestudio: 60)", Interval{0, 180});
    v.option("distance", distance, "distance of the light to the origin [world units] (DreamFusion: 0.8 to 1.5)", Interval{0.1, 100});
    v.option("ambient", ambient, "ambient light of lit views (DreamFusion: 0.1)", Interval{0, 2});
    v.option("diffuse", diffuse, "diffuse light of lit views (DreamFusion: 0.9)", Interval{0, 2});
    v.option("soft", soft, "soft shading (Magic3D): a lit view's ambient share a is uniform in [0, 1], its diffuse share 1 − a, instead of the two above");
    v.option("lit_probability", lit_probability, "share of views with light; the others show plain albedo (DreamFusion: 0.75 after 1,000 steps)", Interval{0, 1});
    v.option("textureless_probability", textureless_probability, "share of the lit views with white albedo (DreamFusion: 0.5)", Interval{0, 1});
  }
};

struct BackgroundConfig {
  std::string type = "random";
  double random_probability = 0.5;
  std::int64_t width = 32;
  std::int64_t octaves = 4;

  template <class V>
  void visit(V& v) {
    v.choice("type", type, "random = one random colour a view; environment = learned network on the ray direction (DreamFusion)", {"random", "environment"});
    v.option("random_probability", random_probability, "with environment: share of views that get a random colour all the same, so that the background cannot draw the object (DreamFusion: 0)", Interval{0, 1});
    v.option("width", width, "with environment: width of the network", Interval{4, 256});
    v.option("octaves", octaves, "with environment: octaves of the direction's positional encoding", Interval{0, 10});
  }
};

struct ProposalConfig {
  std::int64_t rounds = 2;
  std::int64_t samples = 64;
  std::int64_t blocks = 2;
  std::int64_t width = 64;
  double anneal_slope = 10.0;

  template <class V>
  void visit(V& v) {
    v.option("rounds", rounds, "rounds of proposals before the field is asked (mip-NeRF 360: 2)", Interval{1, 4});
    v.option("samples", samples, "intervals a ray in each round (mip-NeRF 360: 64)", Interval{4, 512});
    v.option("blocks", blocks, "residual blocks of the proposal network", Interval{1, 8});
    v.option("width", width, "width of the proposal network", Interval{4, 512});
    v.option("anneal_slope", anneal_slope, "how fast the proposals are trusted: exponent slope·s/((slope−1)·s+1) of their weights, s = share of the run; 0 = at once", Interval{0, 1000});
  }
};

struct RenderConfig {
  ScheduledValue train_resolution{{{{0.5, true}, 32, 64, {0.5, true}}}};
  std::string sampling = "occupancy";
  std::int64_t samples_per_ray = 64;
  std::int64_t occupancy_resolution = 32;
  double occupancy_threshold = 1.0;
  double occupancy_decay = 0.95;
  double early_stop = 0.0;
  std::int64_t occupancy_refresh = 16;
  ProposalConfig proposal;

  /// Even steps across the sphere in finished pictures, as fine as training asks a ray.
  std::int64_t picture_samples_per_ray() const {
    return sampling == "proposal" ? proposal.rounds * proposal.samples + samples_per_ray : samples_per_ray;
  }

  template <class V>
  void visit(V& v) {
    v.option("train_resolution", train_resolution, "edge of the training renders [pixels]; resized to what the prior wants", Interval{8, 1024});
    v.choice("sampling", sampling, "where training rays are sampled: occupancy = evenly, without cells known to be empty; proposal = where a proposal network expects the object (mip-NeRF 360)", {"occupancy", "proposal"});
    v.option("samples_per_ray", samples_per_ray, "occupancy: stratified samples across the bounding sphere's diameter, empty space is skipped; proposal: final samples of every ray (mip-NeRF 360: 32)", Interval{4, 4096});
    v.option("occupancy_resolution", occupancy_resolution, "cells along an edge of the occupancy grid; 0 = no skipping", Interval{0, 256});
    v.option("occupancy_threshold", occupancy_threshold, "a cell is skipped below this density [1/world unit]", Interval{0, 1000});
    v.option("occupancy_decay", occupancy_decay, "the grid keeps a running maximum that fades by this factor at each refresh", Interval{0, 1});
    v.option("early_stop", early_stop, "samples behind which less than this share of a ray's light is left are not trained; costs a density for every sample first, pays for opaque objects with lit views (nerfacc: 1e-4); 0 = off", Interval{0, 0.1});
    v.option("occupancy_refresh", occupancy_refresh, "steps between refreshes of the grid", Interval{1, 10000});
    v.section("proposal", proposal, "render.sampling=proposal");
  }
};

}  // namespace dreamfusion
