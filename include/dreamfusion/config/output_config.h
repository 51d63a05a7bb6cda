#pragma once
/// Options of what a run leaves behind: turntable and mesh.
#include <cstdint>
#include <string>
#include <vector>

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
  std::int64_t resolution = 128;
  double isosurface_threshold = 0.0;
  double min_component = 0.05;
  std::int64_t smoothing = 0;
  std::int64_t target_faces = 30000;
  std::int64_t texture_size = 1024;
  bool normal_map = false;
  std::vector<std::string> formats = {"obj", "glb"};
  std::string placement = "ground";

  template <class V>
  void visit(V& v) {
    v.option("resolution", resolution, "density samples along an edge of the object's box; 0 = no mesh", Interval{0, 512});
    v.option("isosurface_threshold", isosurface_threshold, "density of the surface [1/world unit]; 0 = found automatically", Interval{0, 1e6});
    v.option("min_component", min_component, "pieces with less than this share of the largest piece's area are dropped", Interval{0, 1});
    v.option("smoothing", smoothing, "pairs of Taubin's smoothing steps, which do not shrink; 0 = none", Interval{0, 1000});
    v.option("target_faces", target_faces, "triangles are merged down to this many where the shape allows it; 0 = all are kept", Interval{0, 1e8});
    v.option("texture_size", texture_size, "edge of the texture [texels]; 0 = colours of the vertices instead", Interval{0, 8192});
    v.option("normal_map", normal_map, "also a texture of the surface's normals, which few faces are lit by as if they were many; wants a texture");
    v.option("formats", formats, "files to write: of obj, glb, ply and stl");
    v.choice("placement", placement, "ground: standing on the origin; center: the middle of its box there; world: as it was rendered",
             {"ground", "center", "world"});
  }
};

}  // namespace dreamfusion
