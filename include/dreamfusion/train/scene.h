#pragma once
/// What a run optimises, and all that a picture of it needs.
#include <memory>
#include <vector>

#include "dreamfusion/config/config.h"
#include "dreamfusion/core/named_tensors.h"
#include "dreamfusion/field/field.h"
#include "dreamfusion/render/background.h"
#include "dreamfusion/render/occupancy_grid.h"

namespace dreamfusion {

struct Scene {
  std::unique_ptr<Field> field;
  std::unique_ptr<EnvironmentBackground> environment;  ///< null with random backgrounds
  std::unique_ptr<Field> proposal;  ///< where rays may find the object (density alone); null with render.sampling=occupancy
  OccupancyGrid occupancy;

  std::vector<ParameterGroup> parameter_groups() const;
  /// Every tensor that a checkpoint of the scene needs, by name; shares storage with the scene.
  NamedTensors state() const;
  /// Tells the fields where the run is.
  void set_step(std::int64_t step, std::int64_t iterations);
};

/// The scene at step 0 of the run that `config` describes.
Scene make_scene(const Config& config, c10::Device device);

}  // namespace dreamfusion
