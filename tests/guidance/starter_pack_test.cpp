/// The pack that ships, through the same classes that a run uses.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "dreamfusion/core/rng.h"
#include "dreamfusion/guidance/score_distillation.h"
#include "dreamfusion/guidance/scorer.h"
#include "make_tokenizer.h"

namespace dreamfusion {
namespace {

const PriorPack& pack() {
  static const PriorPack opened = PriorPack::open(std::filesystem::path(DREAMFUSION_SOURCE_DIR) / "priors" / "starter-64");
  return opened;
}

DiffusionPrior& prior() {
  static const std::unique_ptr<DiffusionPrior> loaded = load_prior(pack(), at::kCPU);
  return *loaded;
}

TEST(StarterPack, IsWhatItPromises) {
  const PriorManifest& manifest = pack().manifest();
  EXPECT_EQ(manifest.name, "starter-64");
  EXPECT_EQ(manifest.resolution, 64);
  EXPECT_EQ(manifest.prediction, Prediction::kV);
  EXPECT_TRUE(manifest.words_conditioning && manifest.camera_input == CameraInput::kAngles);
  const PriorEvaluation& evaluation = manifest.evaluation.value();
  EXPECT_GE(evaluation.kinds.size(), 24u);
  EXPECT_EQ(evaluation.colours.size(), 12u);
  const double pairs = static_cast<double>(evaluation.kinds.size() * evaluation.colours.size());
  EXPECT_NEAR(static_cast<double>(evaluation.held_out.size()) / pairs, 0.1, 0.01);
  std::uintmax_t bytes = 0;
  for (const auto& [file, digest] : manifest.sha256) bytes += std::filesystem::file_size(pack().folder() / file);
  EXPECT_LE(bytes, 30u << 20);
}

TEST(StarterPack, GoldenValuesHold) {
  const GoldenCheck check = verify_golden(pack(), prior());
  EXPECT_TRUE(check.passed) << check.report;
}

TEST(StarterPack, KnowsTheWordsOfItsOwnKindsAndColours) {
  const PriorEvaluation& evaluation = pack().manifest().evaluation.value();
  const std::unique_ptr<Tokenizer> tokenizer = make_tokenizer(pack());
  for (std::size_t kind = 0; kind < evaluation.kinds.size(); ++kind)
    for (std::size_t colour = 0; colour < evaluation.colours.size(); ++colour)
      for (const std::string& noun : evaluation.kinds[kind].words)
        for (const auto& [view, phrase] : pack().manifest().view_phrases) {
          const std::string prompt = "a " + evaluation.colours[colour] + " " + noun + phrase;
          EXPECT_TRUE(tokenizer->encode(prompt).unknown_words.empty()) << prompt;
          const std::optional<Subject> subject = parse_subject(prompt, evaluation);
          ASSERT_TRUE(subject) << prompt;
          EXPECT_EQ(subject->kind, kind) << prompt;
          EXPECT_EQ(subject->colour.value(), colour) << prompt;
        }
}

TEST(StarterPack, ReferenceShapesAreSolidAndInsideTheirBox) {
  const PriorEvaluation& evaluation = pack().manifest().evaluation.value();
  for (std::size_t kind = 0; kind < evaluation.kinds.size(); ++kind) {
    const double filled = load_reference_shape(pack(), kind).to(at::kDouble).mean().item<double>();
    EXPECT_GT(filled, 0.005) << evaluation.kinds[kind].name;
    EXPECT_LT(filled, 0.6) << evaluation.kinds[kind].name;
  }
}

TEST(StarterPack, GuidanceIsRepeatable) {
  const ViewPrompts prompts(prior(), "a red mushroom", {});
  const ScoreDistillation distillation(prior(), {});
  const DistillationDraw draw = distillation.draw(1, 3, 0, 100);
  const at::Tensor x = at::full({1, 3, 64, 64}, 0.2);
  const at::Tensor first = distillation.gradient(x, prompts, {ViewPose{}}, draw).gradient;
  EXPECT_TRUE(at::equal(distillation.gradient(x, prompts, {ViewPose{}}, draw).gradient, first));
}

/// x̂₀ of z [B, 3, 64, 64] with guidance 3 at time step t; context and camera hold the texts' half, then the null half.
at::Tensor guided_guess(const at::Tensor& z, std::int64_t t, const at::Tensor& context, const at::Tensor& camera) {
  const std::int64_t count = z.size(0);
  const at::Tensor times = at::full({count}, t, at::kLong);
  const at::Tensor both = prior().predict_noise(at::cat({z, z}), at::cat({times, times}), {context, camera});
  return prior().schedule().denoised(guided_noise(both.narrow(0, 0, count), both.narrow(0, count, count), 3.0), z, times);
}

at::Tensor with_null_half(const std::vector<std::string>& texts) {
  return at::cat({prior().encode_text(texts).context, prior().encode_text(std::vector<std::string>(texts.size())).context});
}

/// azimuths [B] -> cameras [2B, 3] at an elevation of 17 degrees, the null half unknown.
at::Tensor with_null_half(const at::Tensor& azimuths) {
  const at::Tensor cameras = at::stack({azimuths, at::full_like(azimuths, 0.3), at::ones_like(azimuths)}, 1);
  return at::cat({cameras, at::zeros_like(cameras)});
}

at::Tensor same_noise(std::int64_t count, std::uint64_t seed) {
  return Rng(seed, 0, RandomPurpose::kNoise).normal_tensor({1, 3, 64, 64}).repeat({count, 1, 1, 1});
}

double difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).square().mean().item<double>(); }

TEST(StarterPack, ASideIsTheMirrorImageOfTheOtherSide) {
  constexpr float kQuarter = 1.5707963f;
  for (const char* text : {"a yellow duck", "a green chair", "a red boat"}) {
    const at::Tensor guess = guided_guess(same_noise(2, 3), 980, with_null_half({text, text}),
                                          with_null_half(at::tensor({kQuarter, -kQuarter})));
    const at::Tensor mirrored = guess[1].flip({2});
    EXPECT_LT(difference(guess[0], mirrored), 0.6 * difference(guess[0], guess[1])) << text;
  }
}

/// DDIM (Song et al., arXiv:2010.02502, Eq. 12 with σ = 0) with guidance: what the prior draws for these prompts, seen from the
/// front and a little to the side.
at::Tensor sample(const std::vector<std::string>& texts, std::int64_t steps) {
  const auto count = static_cast<std::int64_t>(texts.size());
  const at::Tensor context = with_null_half(texts), camera = with_null_half(at::full({count}, 0.5f));
  at::Tensor z = same_noise(count, 4);
  for (std::int64_t step = 0; step < steps; ++step) {
    const std::int64_t now = 980 - 980 * step / steps, later = 980 - 980 * (step + 1) / steps;
    const at::Tensor t = at::full({count}, now, at::kLong), next = at::full({count}, later, at::kLong);
    const at::Tensor x = guided_guess(z, now, context, camera).clamp(-1, 1);
    z = prior().schedule().add_noise(x, (z - prior().schedule().alpha(t) * x) / prior().schedule().sigma(t), next);
  }
  return z.clamp(-1, 1) * 0.5 + 0.5;
}

TEST(StarterPack, DrawsTheKindAndColourThatIsAskedFor) {
  const std::vector<std::string> texts = {"a red sphere",   "a blue car",    "a yellow duck", "a green chair",
                                          "a purple house", "a cyan rocket", "a pink donut",  "an orange mushroom"};
  const Verdict verdict = Scorer(pack(), at::kCPU).judge(sample(texts, 12));
  int kinds = 0, colours = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Subject asked = parse_subject(texts[i], *pack().manifest().evaluation).value();
    kinds += verdict.kind[static_cast<std::int64_t>(i)].item<std::int64_t>() == static_cast<std::int64_t>(asked.kind);
    colours += verdict.colour[static_cast<std::int64_t>(i)].item<std::int64_t>() == static_cast<std::int64_t>(*asked.colour);
  }
  EXPECT_GE(kinds, 6) << verdict.kind;
  EXPECT_GE(colours, 7) << verdict.colour;
}

TEST(StarterPack, TheScorerAnswersForTheKindsAndColoursOfThePack) {
  const Verdict verdict = Scorer(pack(), at::kCPU).judge(at::full({1, 3, 96, 96}, 0.5));
  EXPECT_NEAR(verdict.kind_probability.sum().item<double>(), 1.0, 1e-5);
  EXPECT_LT(verdict.kind.item<std::int64_t>(), static_cast<std::int64_t>(pack().manifest().evaluation->kinds.size()));
  EXPECT_LT(verdict.colour.item<std::int64_t>(), static_cast<std::int64_t>(pack().manifest().evaluation->colours.size()));
}

/// Flattened cosine of two tensors.
double cosine(const at::Tensor& a, const at::Tensor& b) {
  return ((a * b).sum() / (a.norm() * b.norm())).item<double>();
}

TEST(StarterPack, RoundedOperandsStayCloseAndGiveTheSameBitsEachTime) {
  PriorOptions options(at::kCPU);
  options.dtype = "bfloat16";
  const auto rounded = load_prior(pack(), options);
  const at::Tensor context = prior().encode_text({"a red mushroom", ""}).context, camera = at::zeros({2, 3});
  for (const std::int64_t t : {100, 500, 900}) {
    const at::Tensor z = Rng(7, static_cast<std::uint64_t>(t), RandomPurpose::kTest).normal_tensor({1, 3, 64, 64}).repeat({2, 1, 1, 1});
    const at::Tensor steps = at::full({2}, t, at::kLong);
    const at::Tensor exact = prior().predict_noise(z, steps, {context, camera}), found = rounded->predict_noise(z, steps, {context, camera});
    EXPECT_TRUE(found.is_contiguous() && found.scalar_type() == at::kFloat);
    EXPECT_GT(cosine(found, exact), 0.995) << t;
    EXPECT_FALSE(found.equal(exact)) << "nothing was rounded";
    EXPECT_TRUE(found.equal(rounded->predict_noise(z, steps, {context, camera})));
  }
}

TEST(StarterPack, IsWidenedWhereItsTypeIsAskedFor) {
  PriorOptions options(at::kCPU);
  options.dtype = "pack";  // float16 saves disk; the modules compute in float32
  EXPECT_TRUE(verify_golden(pack(), *load_prior(pack(), options)).passed);
}

}  // namespace
}  // namespace dreamfusion
