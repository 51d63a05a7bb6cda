#include "dreamfusion/guidance/view_prompts.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "dreamfusion/core/error.h"
#include "gaussian_prior.h"
#include "schedules.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

ViewPose degrees(double azimuth, double elevation) {
  return {azimuth * std::numbers::pi / 180, elevation * std::numbers::pi / 180};
}

struct ViewCase {
  double azimuth, elevation;
  View view;
};

TEST(ClassifyView, HasThePapersQuadrantsAtEveryBorderAndTurn) {
  const std::vector<ViewCase> cases = {
      {0, 0, View::kFront},       {45, 0, View::kFront},      {-45, 0, View::kFront},   {45.01, 0, View::kSide},  {-45.01, 0, View::kSide},
      {90, 0, View::kSide},       {-90, 0, View::kSide},      {134.99, 0, View::kSide}, {135, 0, View::kBack},    {-135, 0, View::kBack},
      {180, 0, View::kBack},      {-180, 0, View::kBack},     {370, 0, View::kFront},   {-190, 0, View::kBack},   {315, 0, View::kFront},
      {314.99, 0, View::kSide},   {270, 0, View::kSide},      {225, 0, View::kBack},    {720, 0, View::kFront},   {0, 60, View::kFront},
      {0, 60.01, View::kOverhead}, {180, 75, View::kOverhead}, {90, 90, View::kOverhead}, {0, -80, View::kFront}};
  for (const ViewCase& c : cases)
    EXPECT_EQ(classify_view(degrees(c.azimuth, c.elevation), {}), c.view) << c.azimuth << "°, " << c.elevation << "°";
}

TEST(ClassifyView, FollowsTheThresholds) {
  GuidanceConfig config;
  config.front_threshold_deg = 30;
  config.back_threshold_deg = 160;  // overlaps the front: back takes precedence
  config.overhead_threshold_deg = 10;
  EXPECT_EQ(classify_view(degrees(19, 0), config), View::kFront);
  EXPECT_EQ(classify_view(degrees(25, 0), config), View::kBack);
  EXPECT_EQ(classify_view(degrees(0, 11), config), View::kOverhead);
  EXPECT_EQ(view_name(View::kOverhead), "overhead");
}

GuidanceConfig interpolating() {
  GuidanceConfig config;
  config.view_blending = "interpolate";
  return config;
}

TEST(ViewShares, InterpolateByAzimuth) {
  const auto shares = [](double azimuth, double elevation = 0) { return view_shares(degrees(azimuth, elevation), interpolating()); };
  const auto expect = [](const std::array<double, 4>& found, std::array<double, 4> wanted) {
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(found[i], wanted[i], 1e-9) << i;
  };
  expect(shares(0), {1, 0, 0, 0});
  expect(shares(30), {2.0 / 3, 1.0 / 3, 0, 0});
  expect(shares(-90), {0, 1, 0, 0});
  expect(shares(120), {0, 2.0 / 3, 1.0 / 3, 0});
  expect(shares(180), {0, 0, 1, 0});
  expect(shares(30, 70), {0, 0, 0, 1});
  expect(view_shares(degrees(30, 0), {}), {1, 0, 0, 0});  // quadrants
}

TEST(PerpNegWeights, AreThePublishedCurves) {
  const auto weights = [](double azimuth, double elevation = 0) { return perp_neg_weights(degrees(azimuth, elevation), {}); };
  // From the front: nothing against itself, the side's prompt at −(4e^0 − 2.426).
  EXPECT_NEAR(weights(0)[0], -(4 * std::exp(-0.5) - 2.426), 1e-9);
  EXPECT_NEAR(weights(0)[1], -(4 - 2.426), 1e-9);
  EXPECT_NEAR(weights(45)[0], -(4 * std::exp(-0.25) - 2.426), 1e-9);
  EXPECT_NEAR(weights(-45)[1], -(4 * std::exp(-0.25) - 2.426), 1e-9);
  EXPECT_NEAR(weights(135)[1], -(std::exp(-0.25) - 0.606), 1e-9);
  EXPECT_NEAR(weights(135)[0], -(std::exp(-0.25) + 0.967), 1e-9);
  EXPECT_NEAR(weights(180)[0], -(1 + 0.967), 1e-9);
  for (double azimuth = -180; azimuth <= 180; azimuth += 5) {
    for (const double weight : weights(azimuth)) EXPECT_LE(weight, 0.0) << azimuth;
  }
  for (const double weight : weights(20, 80)) EXPECT_EQ(weight, 0.0);
}

const std::vector<ViewPose> kAround = {degrees(0, 0), degrees(90, 0), degrees(180, 0), degrees(0, 80)};

/// A pack on disk, so that words, camera and their absence are those of real modules.
class ViewPromptsTest : public ::testing::Test {
 protected:
  std::unique_ptr<DiffusionPrior> load(const testing::TinyPackOptions& options = {}) {
    const std::filesystem::path folder = folder_.path() / std::to_string(count_++);
    return load_prior(PriorPack::open(testing::write_tiny_prior_pack(folder, options)), at::kCPU);
  }
  std::string warnings(DiffusionPrior& prior, const std::string& prompt) {
    ::testing::internal::CaptureStderr();
    const ViewPrompts prompts(prior, prompt, {});
    return ::testing::internal::GetCapturedStderr();
  }
  testing::TemporaryFolder folder_;
  int count_ = 0;
};

TEST_F(ViewPromptsTest, AutoGivesWordsAndCamera) {
  const auto prior = load();
  const Conditioning c = ViewPrompts(*prior, "a red sphere", {}).conditional(kAround);
  const at::Tensor expected =
      prior->encode_text({"a red sphere, front view", "a red sphere, side view", "a red sphere, back view", "a red sphere, overhead view"}).context;
  EXPECT_TRUE(at::equal(c.context, expected));
  EXPECT_FALSE(at::equal(c.context[0], c.context[1]));
  EXPECT_TRUE(at::allclose(c.camera[3], at::tensor({0.0f, static_cast<float>(80 * std::numbers::pi / 180), 1.0f})));
}

TEST_F(ViewPromptsTest, WordsHideTheCameraAndCameraHidesTheWords) {
  const auto prior = load();
  GuidanceConfig words, camera, neither;
  words.view_conditioning = "words";
  camera.view_conditioning = "camera";
  neither.view_conditioning = "words";
  neither.view_dependent_prompting = false;
  const at::Tensor plain = prior->encode_text({"a red sphere"}).context[0];
  const Conditioning by_words = ViewPrompts(*prior, "a red sphere", words).conditional(kAround);
  EXPECT_TRUE(at::equal(by_words.camera, at::zeros({4, 3})));
  EXPECT_FALSE(at::equal(by_words.context[0], by_words.context[2]));
  const Conditioning by_camera = ViewPrompts(*prior, "a red sphere", camera).conditional(kAround);
  EXPECT_TRUE(at::equal(by_camera.camera.select(1, 2), at::ones({4})));
  EXPECT_TRUE(at::equal(by_camera.context[2], plain));
  const Conditioning by_none = ViewPrompts(*prior, "a red sphere", neither).conditional(kAround);
  EXPECT_TRUE(at::equal(by_none.camera, at::zeros({4, 3})));
  EXPECT_TRUE(at::equal(by_none.context[2], plain));
}

TEST_F(ViewPromptsTest, AutoTakesWhatThePackHas) {
  const auto words_only = load({.camera = false}), camera_only = load({.words = false});
  EXPECT_TRUE(at::equal(ViewPrompts(*words_only, "a red sphere", {}).conditional(kAround).camera, at::zeros({4, 3})));
  const Conditioning c = ViewPrompts(*camera_only, "a red sphere", {}).conditional(kAround);
  EXPECT_TRUE(at::equal(c.context[0], c.context[2]));
  EXPECT_TRUE(at::equal(c.camera.select(1, 2), at::ones({4})));
}

TEST_F(ViewPromptsTest, AskingForWhatThePackLacksIsAUsageFault) {
  const auto words_only = load({.camera = false}), camera_only = load({.words = false});
  GuidanceConfig words, camera;
  words.view_conditioning = "words";
  camera.view_conditioning = "camera";
  for (const auto& [prior, config] : {std::pair{words_only.get(), camera}, std::pair{camera_only.get(), words}}) try {
      ViewPrompts(*prior, "a red sphere", config);
      ADD_FAILURE();
    } catch (const UserError& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
      EXPECT_NE(std::string(error.what()).find("view_conditioning"), std::string::npos);
    }
}

TEST_F(ViewPromptsTest, UnconditionalIsTheNullTextWithoutACamera) {
  const auto prior = load();
  const Conditioning c = ViewPrompts(*prior, "a red sphere", {}).unconditional(std::vector<ViewPose>(3));
  EXPECT_EQ(c.context.size(0), 3);
  EXPECT_TRUE(at::equal(c.context[1], prior->encode_text({""}).context[0]));
  EXPECT_TRUE(at::equal(c.camera, at::zeros({3, 3})));
}

TEST_F(ViewPromptsTest, AzimuthIsWrappedToOneTurn) {
  const auto prior = load();
  const at::Tensor camera = ViewPrompts(*prior, "a red sphere", {}).conditional({degrees(370, 5)}).camera;
  EXPECT_NEAR(camera[0][0].item<double>(), 10 * std::numbers::pi / 180, 1e-6);
}

TEST_F(ViewPromptsTest, PromptsWithoutWordsAreRefused) {
  const auto prior = load();
  for (const char* prompt : {"", "   ", "!?", "红色蘑菇"}) EXPECT_THROW(ViewPrompts(*prior, prompt, {}), UserError) << prompt;
}

TEST_F(ViewPromptsTest, WarnsOnceAboutUnknownWordsByName) {
  const auto prior = load();
  const std::string text = warnings(*prior, "a fluffy red sphere of plasma, fluffy");
  EXPECT_NE(text.find("\"fluffy\", \"plasma\""), std::string::npos) << text;
  EXPECT_NE(text.find("23 words"), std::string::npos) << text;
  EXPECT_EQ(text.find("fluffy"), text.rfind("fluffy")) << text;
  EXPECT_EQ(text.find("arbitrary"), std::string::npos) << text;
  EXPECT_EQ(warnings(*prior, "a red sphere"), "");
}

TEST_F(ViewPromptsTest, WarnsThatNothingIsKnown) {
  const auto closed = load(), open = load({.evaluation = false});
  EXPECT_NE(warnings(*closed, "a dragon").find("it knows: sphere, mushroom"), std::string::npos);
  EXPECT_NE(warnings(*open, "purple dragon").find("arbitrary"), std::string::npos);
  EXPECT_EQ(warnings(*open, "a dragon").find("arbitrary"), std::string::npos);
}

TEST_F(ViewPromptsTest, WarnsAboutWordsThatDoNotFit) {
  const auto prior = load();  // reads 12 words
  EXPECT_NE(warnings(*prior, "a red sphere with a a a a a a a a a a").find("the last 2 are dropped"), std::string::npos);
  EXPECT_NE(warnings(*prior, "a red sphere with a a a a a a a").find("no room for the view words"), std::string::npos);
}

TEST_F(ViewPromptsTest, WarnsAboutTheTextsOfOptionsToo) {
  const auto prior = load();
  GuidanceConfig config;
  config.prompt_back = "a wobbly red sphere";
  config.negative_prompt = "garish";
  ::testing::internal::CaptureStderr();
  const ViewPrompts prompts(*prior, "a red sphere", config);
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("prompt_back: "), std::string::npos) << text;
  EXPECT_NE(text.find("\"wobbly\""), std::string::npos) << text;
  EXPECT_NE(text.find("negative_prompt: "), std::string::npos) << text;
}

TEST(ViewPromptsOptions, OwnPromptsNegativesAndBlendsReachThePrior) {
  const auto mean = [](double value) { return at::full({3, 4, 4}, value, at::kDouble); };
  testing::GaussianPrior prior(testing::scaled_linear_alphas_cumprod(), 0.04,
                               {{"a thing", mean(1)}, {"its tail", mean(3)}, {"ugly", mean(-5)}, {"", mean(0)}, {"a thing, F", mean(2)}});
  GuidanceConfig config;
  config.prompt_back = "its tail";
  config.negative_prompt = "ugly";
  const ViewPrompts prompts(prior, "a thing", config);
  const Conditioning around = prompts.conditional(kAround);
  EXPECT_EQ(around.context[0].flatten()[0].item<double>(), 2.0);  // ", F"
  EXPECT_EQ(around.context[1].flatten()[0].item<double>(), 1.0);
  EXPECT_EQ(around.context[2].flatten()[0].item<double>(), 3.0);
  EXPECT_EQ(prompts.unconditional(std::vector<ViewPose>(1)).context.flatten()[0].item<double>(), -5.0);
  EXPECT_TRUE(prompts.negatives(kAround).empty());

  config = interpolating();
  config.perp_neg = true;
  const ViewPrompts mixed(prior, "a thing", config);
  EXPECT_NEAR(mixed.conditional({degrees(30, 0)}).context.flatten()[0].item<double>(), 2.0 * 2 / 3 + 1.0 / 3, 1e-9);
  const auto negatives = mixed.negatives(kAround);
  ASSERT_EQ(negatives.size(), 2u);
  EXPECT_EQ(negatives[0].conditioning.context.size(0), 4);
  EXPECT_EQ(negatives[0].conditioning.context.flatten()[0].item<double>(), 2.0);
  EXPECT_EQ(negatives[0].conditioning.camera.abs().max().item<double>(), 0.0);
  EXPECT_NEAR(negatives[1].weights[0].item<double>(), -(4 - 2.426), 1e-6);
  EXPECT_EQ(negatives[1].weights[3].item<double>(), 0.0);
}

}  // namespace
}  // namespace dreamfusion
