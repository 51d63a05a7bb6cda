/// configs/paper.json against the constants of DreamFusion (arXiv:2209.14988), one by one, where the paper states them.
#include <gtest/gtest.h>

#include <cctype>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "dreamfusion/config/load.h"

namespace dreamfusion {
namespace {

Config shipped(const std::vector<std::string>& names) {
  ConfigSources sources;
  for (const std::string& name : names) sources.files.push_back(std::filesystem::path(DREAMFUSION_SOURCE_DIR) / "configs" / name);
  return load_config(sources);
}

ScheduledValue linear(double from, double to, double steps) { return ScheduledValue({{{0, false}, from, to, {steps, false}}}); }

TEST(PaperConfig, Distillation) {  // section 3.2, "Sampling" and "Diffusion loss"
  const Config config = shipped({"paper.json"});
  EXPECT_EQ(config.guidance.guidance_scale, 100.0);
  EXPECT_EQ(config.guidance.weighting, "sigma2");
  EXPECT_EQ(config.guidance.timestep_schedule, "uniform");
  EXPECT_EQ(config.guidance.min_step_percent, ScheduledValue(0.02));
  EXPECT_EQ(config.guidance.max_step_percent, ScheduledValue(0.98));
  EXPECT_EQ(config.guidance.guidance_rescale, 0.0);  // no thresholding or clipping in the final method
  EXPECT_EQ(config.guidance.dynamic_threshold, 0.0);
  EXPECT_EQ(config.guidance.score_clip, ScheduledValue(0.0));
}

TEST(PaperConfig, Prompts) {  // section 3.2 and appendix: nearest embedding by quadrant, overhead above 60 degrees
  const Config config = shipped({"paper.json"});
  EXPECT_TRUE(config.guidance.view_dependent_prompting);
  EXPECT_EQ(config.guidance.view_blending, "quadrants");
  EXPECT_EQ(config.guidance.front_threshold_deg, 45.0);
  EXPECT_EQ(config.guidance.back_threshold_deg, 45.0);
  EXPECT_EQ(config.guidance.overhead_threshold_deg, 60.0);
  EXPECT_FALSE(config.guidance.perp_neg);
  EXPECT_TRUE(config.guidance.negative_prompt.empty());
}

TEST(PaperConfig, Field) {  // appendix A.2
  const Config config = shipped({"paper.json"});
  EXPECT_EQ(config.field.type, "mlp");
  EXPECT_EQ(config.field.bounding_radius, 1.4);
  EXPECT_EQ(config.field.mlp.octaves, 8);
  EXPECT_EQ(config.field.mlp.blocks, 5);
  EXPECT_EQ(config.field.mlp.width, 128);
  EXPECT_EQ(config.field.mlp.lambda_sigma, linear(5e-2, 2e-3, 5000));
  EXPECT_EQ(config.field.density_activation, "exp");
  EXPECT_EQ(config.field.density_init, "dreamfusion");
  EXPECT_EQ(config.field.blob_strength, 5.0);
  EXPECT_EQ(config.field.blob_radius, 0.2);
  EXPECT_EQ(config.field.normals, "analytic");
  EXPECT_EQ(config.background.type, "environment");
  EXPECT_EQ(config.background.random_probability, 0.0);
}

TEST(PaperConfig, Cameras) {  // section 3.2, "Random camera and light sampling", and appendix A.2
  const Config config = shipped({"paper.json"});
  EXPECT_EQ(config.camera.elevation_deg, (Interval{-10, 90}));
  EXPECT_EQ(config.camera.azimuth_deg, (Interval{-180, 180}));
  EXPECT_EQ(config.camera.area_uniform_fraction, 0.5);
  EXPECT_EQ(config.camera.area_uniform_elevation_deg, (Interval{0, 90}));
  EXPECT_EQ(config.camera.distance, (Interval{1.0, 1.5}));
  EXPECT_EQ(config.camera.position_jitter, 0.1);
  EXPECT_EQ(config.camera.look_at_std, 0.2);
  EXPECT_EQ(config.camera.up_std, 0.02);
  EXPECT_EQ(config.camera.lens, "focal");
  EXPECT_EQ(config.camera.focal, (Interval{0.7, 1.35}));
  EXPECT_EQ(config.render.train_resolution, ScheduledValue(64.0));
}

TEST(PaperConfig, LightAndShading) {  // section 3.1, "Shading", and appendix A.2
  const Config config = shipped({"paper.json"});
  EXPECT_EQ(config.light.placement, "normal");
  EXPECT_EQ(config.light.position_std, 1.0);
  EXPECT_EQ(config.light.distance, (Interval{0.8, 1.5}));
  EXPECT_EQ(config.light.ambient, 0.1);
  EXPECT_EQ(config.light.diffuse, 0.9);
  EXPECT_FALSE(config.light.soft);
  EXPECT_EQ(config.light.lit_probability.at(999, 15000), 0.0);
  EXPECT_EQ(config.light.lit_probability.at(1000, 15000), 0.75);
  EXPECT_EQ(config.light.textureless_probability, 0.5);
}

TEST(PaperConfig, RaysAsInMipNerf360) {  // what "starting from the public implementation" implies; the paper gives no number
  const Config config = shipped({"paper.json"});
  EXPECT_EQ(config.render.sampling, "proposal");
  EXPECT_EQ(config.render.proposal.rounds, 2);
  EXPECT_EQ(config.render.proposal.samples, 64);
  EXPECT_EQ(config.render.samples_per_ray, 32);
  EXPECT_EQ(config.render.proposal.anneal_slope, 10.0);
  EXPECT_EQ(config.loss.lambda_interlevel, ScheduledValue(1.0));
}

TEST(PaperConfig, Regularisers) {  // appendix A.2
  const Config config = shipped({"paper.json"});
  EXPECT_EQ(config.loss.lambda_orient, linear(1e-4, 1e-2, 5000));
  EXPECT_EQ(config.loss.orient_views, "all");
  EXPECT_GE(config.loss.lambda_opacity.at(0, 15000), 1e-3);
  EXPECT_LE(config.loss.lambda_opacity.at(0, 15000), 5e-3);
  EXPECT_EQ(config.loss.reduction, "sum");
  EXPECT_EQ(config.loss.lambda_sds, ScheduledValue(1.0));
  for (const ScheduledValue& unused : {config.loss.lambda_entropy, config.loss.lambda_sparsity, config.loss.lambda_opaque,
                                       config.loss.lambda_z_variance, config.loss.lambda_distortion, config.loss.lambda_tv}) {
    EXPECT_EQ(unused, ScheduledValue(0.0));
  }
}

TEST(PaperConfig, OptimiserAndLength) {  // appendix A.2
  const Config config = shipped({"paper.json"});
  EXPECT_EQ(config.iterations, 15000);
  EXPECT_EQ(config.train.batch_size, 4);  // four chips, one view each
  EXPECT_EQ(config.optimizer.type, "shampoo");
  EXPECT_EQ(config.optimizer.beta1, 0.9);
  EXPECT_EQ(config.optimizer.beta2, 0.9);
  EXPECT_EQ(config.optimizer.epsilon, 1e-6);
  EXPECT_EQ(config.optimizer.shampoo.block_size, 128);
  EXPECT_EQ(config.optimizer.shampoo.exponent, 2.0);
  EXPECT_EQ(config.optimizer.lr_network, 1e-4);
  EXPECT_EQ(config.optimizer.lr_background, 1e-4);
  EXPECT_EQ(config.optimizer.warmup_steps, 3000);
  EXPECT_DOUBLE_EQ(config.optimizer.warmup_start * config.optimizer.lr_network, 1e-9);
  EXPECT_DOUBLE_EQ(config.optimizer.cosine_end * config.optimizer.lr_network, 1e-6);
  EXPECT_EQ(config.optimizer.lr_scale, ScheduledValue(1.0));
}

/// What the paper leaves open, and docs/method.md section 7 gives the reason of.
TEST(PaperConfig, WhereThePaperIsSilent) {
  const Config config = shipped({"paper.json"});
  EXPECT_EQ(config.field.density_bias, -1.0);  // multinerf's, before the activation
  EXPECT_EQ(config.background.width, 64);
  EXPECT_EQ(config.background.octaves, 4);
  EXPECT_EQ(config.render.proposal.blocks, 1);
  EXPECT_EQ(config.render.proposal.width, 64);
  EXPECT_EQ(config.optimizer.lr_proposal, config.optimizer.lr_network);
  EXPECT_EQ(config.optimizer.shampoo.start_step, 5);
  EXPECT_EQ(config.field.mlp.matmul, "float32");
}

/// Every number in the file is one of those above, or how often this program reports and what it shows at the end.
TEST(PaperConfig, HoldsNothingElse) {
  std::ifstream file(std::filesystem::path(DREAMFUSION_SOURCE_DIR) / "configs" / "paper.json");
  const auto json = nlohmann::json::parse(file, nullptr, true, /*ignore_comments=*/true);
  std::set<std::string> members;
  const std::function<void(const nlohmann::json&, const std::string&)> collect = [&](const nlohmann::json& node, const std::string& path) {
    if (!node.is_object()) {
      members.insert(path);
      return;
    }
    for (const auto& [name, member] : node.items()) collect(member, path.empty() ? name : path + "." + name);
  };
  collect(json, "");
  const std::set<std::string> accounted = {
      "iterations", "field.type", "field.bounding_radius", "field.density_activation", "field.density_bias", "field.density_init",
      "field.blob_strength", "field.blob_radius", "field.normals", "field.mlp.octaves", "field.mlp.lambda_sigma", "field.mlp.blocks",
      "field.mlp.width", "camera.azimuth_deg", "camera.elevation_deg", "camera.area_uniform_fraction", "camera.area_uniform_elevation_deg",
      "camera.distance", "camera.lens", "camera.focal", "camera.position_jitter", "camera.look_at_std", "camera.up_std", "light.placement",
      "light.position_std", "light.distance", "light.ambient", "light.diffuse", "light.lit_probability", "light.textureless_probability",
      "background.type", "background.random_probability", "background.width", "background.octaves", "render.train_resolution",
      "render.sampling", "render.samples_per_ray", "render.proposal.rounds", "render.proposal.samples", "render.proposal.blocks",
      "render.proposal.width", "render.proposal.anneal_slope", "guidance.guidance_scale", "guidance.weighting",
      "guidance.timestep_schedule", "guidance.min_step_percent", "guidance.max_step_percent", "guidance.view_dependent_prompting",
      "guidance.view_blending", "guidance.front_threshold_deg", "guidance.back_threshold_deg", "guidance.overhead_threshold_deg",
      "loss.reduction", "loss.lambda_sds", "loss.orient_views", "loss.lambda_orient", "loss.lambda_opacity", "loss.lambda_entropy", "loss.lambda_z_variance",
      "loss.lambda_interlevel", "optimizer.type", "optimizer.lr_network", "optimizer.lr_background", "optimizer.lr_proposal",
      "optimizer.lr_scale", "optimizer.warmup_steps", "optimizer.warmup_start", "optimizer.cosine_end", "optimizer.beta1",
      "optimizer.beta2", "optimizer.epsilon", "optimizer.shampoo.block_size", "optimizer.shampoo.exponent", "optimizer.shampoo.start_step",
      "train.batch_size",
      "train.preview_every", "train.checkpoint_every", "train.watchdog_max_opacity", "turntable.distance", "turntable.frames"};
  EXPECT_EQ(members, accounted);
}

TEST(CameraPresets, GoBehindAnyConfig) {
  const Config threestudio = shipped({"base.json", "cameras-threestudio.json"});
  EXPECT_EQ(threestudio.camera.distance, (Interval{1.5, 2.0}));
  EXPECT_EQ(threestudio.camera.fov_y_deg, (Interval{40, 70}));
  EXPECT_EQ(threestudio.iterations, 700);
  const Config stable = shipped({"base.json", "cameras-stable-dreamfusion.json"});
  EXPECT_EQ(stable.camera.elevation_deg, (Interval{-15, 45}));
  EXPECT_EQ(stable.camera.fov_y_deg, (Interval{10, 30}));
}

TEST(PaperShort, DiffersFromThePaperInNothingButWhatItSays) {
  const auto paper = nlohmann::json::parse(config_to_json(shipped({"paper.json"})));
  const auto shorter = nlohmann::json::parse(config_to_json(shipped({"paper-short.json"})));
  std::set<std::string> sections;
  for (const auto& change : nlohmann::json::diff(paper, shorter)) {
    const std::string path = change["path"];  // "/loss/lambda_orient/3": a member, not its elements
    std::size_t slashes = 0, end = 0;
    while (end < path.size() && !(path[end] == '/' && ++slashes > 2 && std::isdigit(static_cast<unsigned char>(path[end + 1])))) ++end;
    sections.insert(path.substr(0, end));
  }
  const std::set<std::string> steps = {"/iterations", "/train/batch_size", "/render/train_resolution", "/optimizer/warmup_steps"};
  const std::set<std::string> starter_sees = {"/camera/distance", "/camera/focal", "/camera/position_jitter", "/camera/look_at_std",
                                              "/light/distance", "/light/ambient", "/light/diffuse", "/light/lit_probability",
                                              "/light/textureless_probability", "/background/random_probability",
                                              "/guidance/guidance_scale", "/guidance/max_step_percent"};
  const std::set<std::string> few_steps_ask = {"/field/density_init", "/field/blob_radius", "/field/mlp/lambda_sigma", "/loss/lambda_orient",
                                               "/loss/lambda_opacity", "/loss/lambda_entropy", "/optimizer/type",
                                               "/optimizer/lr_network", "/optimizer/beta2"};
  std::set<std::string> expected = steps;
  expected.insert(starter_sees.begin(), starter_sees.end());
  expected.insert(few_steps_ask.begin(), few_steps_ask.end());
  EXPECT_EQ(sections, expected);
}

TEST(PaperShort, DividesEveryNumberOfStepsByTwenty) {
  const Config paper = shipped({"paper.json"}), shorter = shipped({"paper-short.json"});
  EXPECT_EQ(shorter.iterations * 20, paper.iterations);
  EXPECT_EQ(shorter.optimizer.warmup_steps * 20, paper.optimizer.warmup_steps);
  for (const std::int64_t step : {0, 1000, 1001, 2500, 5000, 14980}) {
    EXPECT_DOUBLE_EQ(shorter.loss.lambda_orient.at(step / 20, 750), paper.loss.lambda_orient.at(step / 20 * 20, 15000)) << step;
    // Other values between the same ends: (now − first) / (last − first).
    const auto share = [&](const ScheduledValue& value, std::int64_t now, std::int64_t iterations) {
      return (value.at(now, iterations) - value.at(0, iterations)) / (value.at(iterations, iterations) - value.at(0, iterations));
    };
    EXPECT_NEAR(share(shorter.field.mlp.lambda_sigma, step / 20, 750), share(paper.field.mlp.lambda_sigma, step / 20 * 20, 15000), 1e-12) << step;
    EXPECT_NEAR(share(shorter.light.lit_probability, step / 20, 750), share(paper.light.lit_probability, step / 20 * 20, 15000), 1e-12) << step;
  }
}

}  // namespace
}  // namespace dreamfusion
