#include "dreamfusion/guidance/view_prompts.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/core/text.h"
#include "dreamfusion/core/transfer.h"
#include "dreamfusion/guidance/scorer.h"

namespace dreamfusion {
namespace {

constexpr std::array kViewNames = {"front", "side", "back", "overhead"};
constexpr std::int64_t kNoViewWords = 4;  // row of contexts_
constexpr std::size_t kShownKinds = 30;

double degrees(double radians) { return radians * 180.0 / std::numbers::pi; }

/// [0, 180] degrees
double azimuth_from_front(const ViewPose& angles) {
  return std::abs(degrees(std::remainder(angles.azimuth, 2 * std::numbers::pi)));
}

UserError missing_conditioning(const PriorManifest& manifest, const std::string& wanted, const std::string& other) {
  return UserError({.what = "the prior \"" + manifest.name + "\" cannot be told the view by " + wanted,
                    .where = "guidance.view_conditioning",
                    .found = "the pack's view_conditioning has no \"" + wanted + "\"",
                    .fix = "use guidance.view_conditioning=auto or =" + other, .exit_code = ExitCode::kUsage});
}

/// Options that need the views' prompts, with a prior that reads none.
UserError no_view_words(const PriorManifest& manifest, const std::string& option) {
  return UserError({.what = "the prior \"" + manifest.name + "\" reads no prompts of single views, which " + option + " needs",
                    .where = option,
                    .found = "the pack's view_conditioning has no \"words\"",
                    .fix = "leave " + option + " out, or use a pack with words", .exit_code = ExitCode::kUsage});
}

const char* unit(const PriorManifest& manifest) { return manifest.tokenizer == "words" ? " words" : " tokens"; }

/// Says what the prior will not hear of the text `name`: nothing of this stops a run, but it explains an odd result.
void warn_about_text(const PriorManifest& manifest, const std::string& name, const EncodedText& text) {
  const std::string prior = "the prior \"" + manifest.name + "\"";
  if (!text.unknown_words.empty())
    log_warning(name + ": " + prior + " does not know " + join(text.unknown_words, "\"") + " and ignores what it does not know (it knows " +
                std::to_string(text.vocabulary_size) + " words, listed in its " + manifest.vocabulary_file + ")");
  if (text.dropped_words > 0)
    log_warning(name + " is too long for " + prior + ": it reads " + std::to_string(manifest.context_length) +
                unit(manifest) + ", the last " + std::to_string(text.dropped_words) + " are dropped");
}

/// The same for the prompt, with the view words that follow it, and for what it asks of a pack of a closed domain.
void warn_about_prompt(const PriorManifest& manifest, const std::string& prompt, const EncodedText& plain, std::int64_t dropped_with_view) {
  const std::string prior = "the prior \"" + manifest.name + "\"";
  warn_about_text(manifest, "the prompt", plain);
  if (plain.dropped_words == 0 && dropped_with_view > 0)
    log_warning("the prompt leaves no room for the view words (\", front view\"): " + prior + " reads " +
                std::to_string(manifest.context_length) + unit(manifest) + "; shorten it, or front and back may look alike");
  if (manifest.evaluation && !parse_subject(prompt, *manifest.evaluation)) {
    std::vector<std::string> kinds;
    for (const ReferenceKind& kind : manifest.evaluation->kinds) kinds.push_back(kind.name);
    if (kinds.size() > kShownKinds) kinds.resize(kShownKinds);
    log_warning("the prompt names no object that " + prior + " knows, the result will be arbitrary; it knows: " + join(kinds));
  } else if (plain.unknown_words.size() >= plain.word_count) {
    log_warning("no word of the prompt is known to " + prior + ": the result will be arbitrary");
  }
}

}  // namespace

std::string_view view_name(View view) { return kViewNames[static_cast<std::size_t>(view)]; }

View classify_view(const ViewPose& angles, const GuidanceConfig& config) {
  constexpr double kRounding = 1e-9;  // an angle that was written in degrees comes back from radians beside its border
  const double azimuth = azimuth_from_front(angles);
  View view = View::kSide;
  if (azimuth <= config.front_threshold_deg + kRounding) view = View::kFront;
  if (azimuth >= 180.0 - config.back_threshold_deg - kRounding) view = View::kBack;
  if (degrees(angles.elevation) > config.overhead_threshold_deg + kRounding) view = View::kOverhead;
  return view;
}

std::array<double, 4> view_shares(const ViewPose& angles, const GuidanceConfig& config) {
  std::array<double, 4> shares{};
  const View nearest = classify_view(angles, config);
  const bool blend = config.view_blending == "interpolate" || config.perp_neg;  // Perp-Neg's weights were fitted to blended views
  if (!blend || nearest == View::kOverhead) {
    shares[static_cast<std::size_t>(nearest)] = 1.0;
    return shares;
  }
  const double turns = azimuth_from_front(angles) / 90.0;  // 0 front, 1 side, 2 back
  shares[static_cast<std::size_t>(View::kFront)] = std::max(0.0, 1.0 - turns);
  shares[static_cast<std::size_t>(View::kSide)] = 1.0 - std::abs(turns - 1.0);
  shares[static_cast<std::size_t>(View::kBack)] = std::max(0.0, turns - 1.0);
  return shares;
}

std::array<double, 4> perp_neg_weights(const ViewPose& angles, const GuidanceConfig& config) {
  std::array<double, 4> weights{};
  if (classify_view(angles, config) == View::kOverhead) return weights;
  const double turns = azimuth_from_front(angles) / 90.0;
  double &front = weights[static_cast<std::size_t>(View::kFront)], &side = weights[static_cast<std::size_t>(View::kSide)];
  const auto curve = [](double height, double r, double floor) { return std::min(0.0, -(height * std::exp(-0.5 * r) + floor)); };
  if (turns < 1.0) {
    front = curve(4.0, 1.0 - turns, -2.426);
    side = curve(4.0, turns, -2.426);
  } else {
    side = curve(1.0, 2.0 - turns, -0.606);
    front = curve(1.0, 2.0 - turns, 0.967);
  }
  return weights;
}

ViewPrompts::ViewPrompts(DiffusionPrior& prior, const std::string& prompt, const GuidanceConfig& config) : config_(config) {
  const PriorManifest& manifest = prior.manifest();
  const std::string& way = config.view_conditioning;
  camera_kind_ = manifest.camera_input;
  const bool has_camera = camera_kind_ != CameraInput::kNone;
  if (way == "camera" && !has_camera) throw missing_conditioning(manifest, "camera", "words");
  if (way == "words" && camera_kind_ == CameraInput::kMatrix)
    throw UserError({.what = "the prior cannot do without its camera input", .where = "guidance.view_conditioning", .found = "\"words\"",
                     .fix = "use auto or camera: \"" + manifest.name + "\" takes a camera matrix with every image", .exit_code = ExitCode::kUsage});
  if (way == "words" && !manifest.words_conditioning) throw missing_conditioning(manifest, "words", "camera");
  use_camera_ = way != "words" && has_camera;
  use_words_ = way != "camera" && manifest.words_conditioning && config.view_dependent_prompting;

  const EncodedText plain = prior.encode_text({prompt});
  if (plain.word_count == 0)
    throw UserError({.what = "the prompt has no word that the prior can read", .where = "prompt", .found = "\"" + prompt + "\"",
                     .fix = "describe an object in English words, for example \"a red mushroom\"", .exit_code = ExitCode::kUsage});
  const std::array own = {config.prompt_front, config.prompt_side, config.prompt_back, config.prompt_overhead};
  if (!use_words_ && config.perp_neg) throw no_view_words(manifest, "guidance.perp_neg");
  if (!use_words_ && config.view_blending == "interpolate") throw no_view_words(manifest, "guidance.view_blending=interpolate");
  std::vector<at::Tensor> contexts;
  std::int64_t dropped_with_view = 0;
  for (std::size_t view = 0; view < kViewNames.size(); ++view) {
    const auto phrase = manifest.view_phrases.find(kViewNames[view]);
    const bool has_words = use_words_ && phrase != manifest.view_phrases.end();
    if (!own[view].empty() && !use_words_) throw no_view_words(manifest, std::string("guidance.prompt_") + kViewNames[view]);
    const EncodedText text = prior.encode_text({!own[view].empty() ? own[view] : has_words ? prompt + phrase->second : prompt});
    if (!own[view].empty()) warn_about_text(manifest, std::string("prompt_") + kViewNames[view], text);
    else dropped_with_view = std::max(dropped_with_view, static_cast<std::int64_t>(text.dropped_words));
    contexts.push_back(text.context);
  }
  contexts.push_back(plain.context);
  contexts_ = at::cat(contexts);
  const EncodedText negative = prior.encode_text({config.negative_prompt});
  null_context_ = negative.context;
  if (!config.negative_prompt.empty()) warn_about_text(manifest, "negative_prompt", negative);
  warn_about_prompt(manifest, prompt, plain, dropped_with_view);
}

Conditioning ViewPrompts::conditional(const std::vector<ViewPose>& views) const {
  std::vector<at::Tensor> contexts;
  for (const ViewPose& view : views) contexts.push_back(use_words_ ? blended(view_shares(view, config_)) : contexts_[kNoViewWords]);
  return {at::stack(contexts), camera_input(views, use_camera_)};
}

at::Tensor ViewPrompts::as_contexts(const at::Tensor& values) const { return send(values.to(contexts_.scalar_type()), contexts_.device()); }

at::Tensor ViewPrompts::camera_input(const std::vector<ViewPose>& views, bool known) const {
  const auto count = static_cast<std::int64_t>(views.size());
  std::vector<double> rows;
  if (camera_kind_ == CameraInput::kMatrix) {
    for (const ViewPose& view : views) rows.insert(rows.end(), view.world_from_camera.begin(), view.world_from_camera.end());
    const at::Tensor matrices = at::tensor(rows, at::kDouble).view({count, 4, 4});
    const at::Tensor position = matrices.slice(1, 0, 3).select(2, 3);
    position.div_(position.norm(2, {-1}, /*keepdim=*/true).clamp_min(1e-12));  // a view of `matrices`
    return as_contexts(matrices.view({count, 16}));
  }
  for (const ViewPose& view : views) {
    if (known) rows.insert(rows.end(), {std::remainder(view.azimuth, 2 * std::numbers::pi), view.elevation, 1.0});
    else rows.insert(rows.end(), {0.0, 0.0, 0.0});
  }
  return as_contexts(at::tensor(rows, at::kDouble).view({count, 3}));
}

at::Tensor ViewPrompts::blended(const std::array<double, 4>& shares) const {
  at::Tensor mix;
  for (std::size_t view = 0; view < shares.size(); ++view) {
    if (shares[view] == 0.0) continue;
    const at::Tensor part = contexts_[static_cast<std::int64_t>(view)];
    if (shares[view] == 1.0) return part;
    mix = mix.defined() ? mix + shares[view] * part : shares[view] * part;
  }
  return mix;
}

std::vector<NegativeConditioning> ViewPrompts::negatives(const std::vector<ViewPose>& views) const {
  std::vector<NegativeConditioning> negatives;
  if (!config_.perp_neg) return negatives;
  const auto count = static_cast<std::int64_t>(views.size());
  for (const View negative : {View::kFront, View::kSide}) {
    const auto row = static_cast<std::size_t>(negative);
    std::vector<double> weights;
    for (const ViewPose& view : views) weights.push_back(perp_neg_weights(view, config_)[row]);
    negatives.push_back({{contexts_[static_cast<std::int64_t>(row)].unsqueeze(0).expand({count, -1, -1}), camera_input(views, false)},
                         as_contexts(at::tensor(weights, at::kDouble))});
  }
  return negatives;
}

Conditioning ViewPrompts::unconditional(const std::vector<ViewPose>& views) const {
  return {null_context_.expand({static_cast<std::int64_t>(views.size()), -1, -1}), camera_input(views, false)};
}

}  // namespace dreamfusion
