#pragma once
/// Options of what a run leaves behind: turntable and mesh.
#include <cstdint>

#include "dreamfusion/config/values.h"

namespace dreamfusion {

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

}  // namespace dreamfusion
