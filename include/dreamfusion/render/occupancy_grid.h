#pragma once
/// Which cells of the bounding cube may hold something: empty ones are not sampled (Instant-NGP, arXiv:2201.05989, appendix E.2).
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "dreamfusion/config/render_config.h"
#include "dreamfusion/core/named_tensors.h"
#include "dreamfusion/field/field.h"

namespace dreamfusion {

class OccupancyGrid {
 public:
  /// `config.occupancy_resolution` cells an edge (0: `occupied()` stays undefined, nothing is skipped); all occupied at first.
  OccupancyGrid(const RenderConfig& config, double radius, c10::Device device);

  /// Every `occupancy_refresh` steps: density at a random point of each cell, running maximum with decay, threshold (at most the
  /// mean density, so that a scene which is thin everywhere does not vanish for good), dilated by one cell. A pure function of
  /// (state, field, seed, step).
  void update(const Field& field, std::uint64_t seed, std::int64_t step);
  /// From the field alone, at cell centres and without memory, for rendering a finished object.
  void rebuild(const Field& field);

  const at::Tensor& occupied() const { return occupied_; }  ///< [G, G, G] bool, indexed [z, y, x]
  c10::Device device() const { return device_; }            ///< where the grid and its field live
  double occupied_fraction() const;
  NamedTensors state() const;  ///< "occupancy.density", "occupancy.occupied": what a checkpoint needs

 private:
  void refresh_mask();
  RenderConfig config_;
  double radius_;
  c10::Device device_;
  at::Tensor density_;   // [G, G, G] running maximum
  at::Tensor occupied_;  // [G, G, G] bool
};

}  // namespace dreamfusion
