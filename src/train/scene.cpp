#include "dreamfusion/train/scene.h"

namespace dreamfusion {

std::vector<ParameterGroup> Scene::parameter_groups() const {
  std::vector<ParameterGroup> groups = field->parameter_groups();
  if (environment) groups.push_back(environment->parameter_group());
  return groups;
}

NamedTensors Scene::state() const {
  NamedTensors state = occupancy.state();
  for (const ParameterGroup& group : parameter_groups()) {
    state.insert(group.parameters.begin(), group.parameters.end());
  }
  return state;
}

Scene make_scene(const Config& config, c10::Device device) {
  const auto seed = static_cast<std::uint64_t>(config.seed);
  Scene scene{make_field(config.field, seed, device), nullptr,
              OccupancyGrid(config.render, config.field.bounding_radius, device)};
  if (config.background.type == "environment") {
    scene.environment = std::make_unique<EnvironmentBackground>(config.background, seed, device);
  }
  return scene;
}

}  // namespace dreamfusion
