#include "dreamfusion/train/trainer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "dreamfusion/core/error.h"
#include "dreamfusion/train/training_run.h"
#include "testing/small_run.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

using testing::expect_same;
using testing::small_config;

class TrainerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    pack_ = std::make_unique<PriorPack>(PriorPack::open(testing::write_tiny_prior_pack(folder_.path() / "pack")));
    prior_ = load_prior(*pack_, at::kCPU);
  }
  testing::TemporaryFolder folder_;
  std::unique_ptr<PriorPack> pack_;
  std::unique_ptr<DiffusionPrior> prior_;
};

TEST_F(TrainerTest, SameSeedSameResultBitForBit) {
  Trainer a(small_config(), *prior_), b(small_config(), *prior_);
  for (int step = 0; step < 5; ++step) {
    EXPECT_EQ(a.step().to_json(), b.step().to_json());
  }
  expect_same(a.checkpoint(), b.checkpoint());
}

TEST_F(TrainerTest, AnotherSeedIsAnotherRun) {
  Config other = small_config();
  other.seed = 1;
  Trainer a(small_config(), *prior_), b(other, *prior_);
  a.step();
  b.step();
  EXPECT_FALSE(at::equal(a.checkpoint().state.at("grid.table"), b.checkpoint().state.at("grid.table")));
}

/// The paper's parts in small: proposals, second-order normals on every view, Shampoo, a learned background, a running mean.
Config small_paper_config() {
  Config config = small_config();
  config.field.type = "mlp";
  config.field.mlp.width = 16;
  config.field.mlp.blocks = 1;
  config.field.mlp.chunk = 1000;
  config.field.density_activation = "exp";
  config.field.density_init = "dreamfusion";
  config.field.blob_strength = 5;
  config.field.blob_radius = 0.2;
  config.background.type = "environment";
  config.render.sampling = "proposal";
  config.render.samples_per_ray = 8;
  config.render.proposal.samples = 8;
  config.render.proposal.width = 8;
  config.loss.reduction = "sum";
  config.loss.lambda_sds = 1.0;
  config.loss.orient_views = "all";
  config.optimizer.type = "shampoo";
  config.optimizer.epsilon = 1e-6;
  config.optimizer.shampoo.start_step = 2;
  config.optimizer.lr_network = config.optimizer.lr_background = config.optimizer.lr_proposal = 1e-3;
  config.train.ema_decay = 0.5;
  return config;
}

class TrainerConfigs : public TrainerTest, public ::testing::WithParamInterface<Config (*)()> {};
INSTANTIATE_TEST_SUITE_P(FastAndPaper, TrainerConfigs, ::testing::Values(small_config, small_paper_config));

TEST_F(TrainerTest, EveryLossOfThePaperIsReportedAndMovesEveryParameter) {
  Trainer trainer(small_paper_config(), *prior_);
  const Checkpoint before = trainer.checkpoint();
  const StepReport report = trainer.step();
  trainer.step();
  for (const char* loss : {"loss_orient", "loss_opacity", "loss_entropy", "loss_interlevel"}) {
    EXPECT_TRUE(std::isfinite(report.losses.at(loss))) << loss;
  }
  const Checkpoint after = trainer.checkpoint();
  for (const auto& [name, tensor] : before.state) {
    if (name.starts_with("network.") || name.starts_with("proposal.") || name.starts_with("average.network.")) {
      EXPECT_FALSE(at::equal(tensor, after.state.at(name))) << name;
    }
  }
}

TEST_F(TrainerTest, ShowsTheRunningMean) {
  Config config = small_config();
  config.train.ema_decay = 0.9;
  Trainer trainer(config, *prior_);
  trainer.step();
  const Checkpoint checkpoint = trainer.checkpoint();
  const at::Tensor mean = checkpoint.state.at("average.grid.table"), table = checkpoint.state.at("grid.table");
  EXPECT_FALSE(at::equal(mean, table));
  trainer.show([&](const Scene& scene) { EXPECT_TRUE(at::equal(scene.state().at("grid.table"), mean)); });
  EXPECT_TRUE(at::equal(trainer.checkpoint().state.at("grid.table"), table));  // and goes on with its own
  EXPECT_TRUE(at::equal(prefer_average(checkpoint.state).at("grid.table"), mean));
  EXPECT_EQ(prefer_average(checkpoint.state).count("average.grid.table"), 0u);
}

TEST_P(TrainerConfigs, ResumedRunEqualsTheUninterruptedOneBitForBit) {
  const Config config = GetParam()();
  Trainer whole(config, *prior_);
  while (!whole.finished()) whole.step();

  Trainer first(config, *prior_);
  for (int step = 0; step < 4; ++step) first.step();
  save_checkpoint(folder_.path() / "checkpoints", first.checkpoint(), 1);
  Trainer second(config, *prior_);
  second.restore(*load_newest_checkpoint(folder_.path() / "checkpoints"), "test");
  while (!second.finished()) second.step();
  expect_same(whole.checkpoint(), second.checkpoint());
}

TEST_F(TrainerTest, ResumeWithALearnedBackgroundIsExactToo) {
  Config config = small_config();
  config.background.type = "environment";
  Trainer whole(config, *prior_), first(config, *prior_), second(config, *prior_);
  for (int step = 0; step < 6; ++step) whole.step();
  for (int step = 0; step < 3; ++step) first.step();
  second.restore(first.checkpoint(), "test");
  for (int step = 0; step < 3; ++step) second.step();
  expect_same(whole.checkpoint(), second.checkpoint());
}

TEST_F(TrainerTest, ACheckpointOfAnotherFieldIsRefusedInWords) {
  Trainer trainer(small_config(), *prior_);
  Config other = small_config();
  other.field.hash.resolutions = {8, 12};
  Trainer different(other, *prior_);
  EXPECT_THROW(different.restore(trainer.checkpoint(), "the run"), UserError);
}

TEST_F(TrainerTest, TheObjectTakesTheColourThatThePromptNames) {
  for (const auto& [prompt, channel] : {std::pair<std::string, int>{"a red ball", 0}, {"a blue ball", 2}}) {
    Config config = small_config();
    config.prompt = prompt;
    config.iterations = 60;
    config.light.lit_probability = 0.0;
    Trainer trainer(config, *prior_);
    while (!trainer.finished()) trainer.step();
    at::Tensor albedo;
    trainer.show([&](const Scene& scene) { albedo = scene.field->query(at::zeros({1, 3}), {.albedo = true}).albedo[0]; });
    EXPECT_EQ(albedo.argmax().item<std::int64_t>(), channel) << prompt << albedo;
  }
}

TEST_F(TrainerTest, AnUnreadablyEmptySceneEndsTheRun) {
  Config config = small_config();
  config.iterations = 50;
  config.field.density_init = "none";
  config.loss.lambda_opacity = 1000.0;
  config.train.watchdog_patience = 5;
  config.train.watchdog_min_opacity = 0.9;  // so that the test need not wait for the fog to lift
  Trainer trainer(config, *prior_);
  try {
    while (!trainer.finished()) trainer.step();
    FAIL() << "the watchdog slept";
  } catch (const UserError& fault) {
    EXPECT_EQ(fault.exit_code(), ExitCode::kDiverged);
  }
}

TEST_F(TrainerTest, TrainingRunWritesWhatARunFolderPromises) {
  Config config = small_config();
  config.train.preview_every = 4;
  RunFolder run(folder_.path() / "run", ExistingRun::kRefuse);
  run.write_start(config, {"dreamfusion --prompt x", pack_->manifest().name, pack_->hash()});
  Trainer trainer(config, *prior_);
  EXPECT_EQ(run_training(trainer, config, run, {false, 5}), RunOutcome::kInterrupted);
  EXPECT_EQ(list_checkpoints(run.checkpoints()).back(), 5);
  EXPECT_TRUE(std::filesystem::exists(run.preview()));

  Trainer again(config, *prior_);
  EXPECT_EQ(run_training(again, config, run, {true, 0}), RunOutcome::kFinished);
  EXPECT_EQ(list_checkpoints(run.checkpoints()), (std::vector<std::int64_t>{6, 8}));
  std::ifstream metrics(run.metrics());
  int lines = 0;
  for (std::string line; std::getline(metrics, line); ++lines) {
    EXPECT_NE(line.find("\"step\":" + std::to_string(lines + 1)), std::string::npos) << line;
  }
  EXPECT_EQ(lines, 8);
}

}  // namespace
}  // namespace dreamfusion
