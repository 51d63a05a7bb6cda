#include "dreamfusion/train/scene.h"

namespace dreamfusion {
namespace {

/// A smaller field of the paper's kind, without a blob: proposals learn where the object is.
std::unique_ptr<Field> make_proposal(const Config& config, std::uint64_t seed, c10::Device device) {
  FieldConfig field = config.field;
  field.type = "mlp";
  field.mlp.blocks = config.render.proposal.blocks;
  field.mlp.width = config.render.proposal.width;
  field.density_init = "none";
  return make_field(field, Rng(seed, 0, RandomPurpose::kProposalInit), device);
}

/// A blob would stand beside the user's shape, and one that is added to the density could never be unlearned.
FieldConfig field_config(const Config& config) {
  FieldConfig field = config.field;
  if (!config.init_mesh.file.empty()) field.density_init = "none";
  return field;
}

ParameterGroup proposal_group(Field& proposal) {
  ParameterGroup renamed{.name = "proposal", .parameters = {}};
  for (const ParameterGroup& group : proposal.parameter_groups()) {
    for (const auto& [name, parameter] : group.parameters) renamed.parameters["proposal." + name] = parameter;
  }
  return renamed;
}

}  // namespace

std::vector<ParameterGroup> Scene::parameter_groups() const {
  std::vector<ParameterGroup> groups = field->parameter_groups();
  if (environment) groups.push_back(environment->parameter_group());
  if (proposal) groups.push_back(proposal_group(*proposal));
  return groups;
}

NamedTensors Scene::state() const {
  NamedTensors state = occupancy.state();
  for (const ParameterGroup& group : parameter_groups()) {
    state.insert(group.parameters.begin(), group.parameters.end());
  }
  return state;
}

void Scene::set_step(std::int64_t step, std::int64_t iterations) {
  field->set_step(step, iterations);
  if (proposal) proposal->set_step(step, iterations);
}

Scene make_scene(const Config& config, c10::Device device) {
  const auto seed = static_cast<std::uint64_t>(config.seed);
  Scene scene{make_field(field_config(config), Rng(seed, 0, RandomPurpose::kFieldInit), device), nullptr, nullptr,
              OccupancyGrid(config.render, config.field.bounding_radius, device)};
  if (config.background.type == "environment") {
    scene.environment = std::make_unique<EnvironmentBackground>(config.background, seed, device);
  }
  if (config.render.sampling == "proposal") scene.proposal = make_proposal(config, seed, device);
  return scene;
}

}  // namespace dreamfusion
