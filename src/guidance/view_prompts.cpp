#include "dreamfusion/guidance/view_prompts.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/guidance/scorer.h"

namespace dreamfusion {
namespace {

constexpr std::array kViewNames = {"front", "side", "back", "overhead"};
constexpr std::int64_t kNoViewWords = 4;  // row of contexts_
constexpr std::size_t kShownKinds = 30;

double degrees(double radians) { return radians * 180.0 / std::numbers::pi; }

UserError missing_conditioning(const PriorManifest& manifest, const std::string& wanted, const std::string& other) {
  return UserError({.what = "the prior \"" + manifest.name + "\" cannot be told the view by " + wanted,
                    .where = "guidance.view_conditioning",
                    .found = "the pack's view_conditioning has no \"" + wanted + "\"",
                    .fix = "use guidance.view_conditioning=auto or =" + other, .exit_code = ExitCode::kUsage});
}

std::string join(const std::vector<std::string>& words, const char* quote) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + (quote + word) + quote;
  return text;
}

/// Says what the prior will not hear of the prompt: nothing of this stops a run, but it explains an odd result.
void warn_about_words(const PriorManifest& manifest, const std::string& prompt, const EncodedText& plain, const EncodedText& views) {
  const std::string prior = "the prior \"" + manifest.name + "\"";
  if (!plain.unknown_words.empty())
    log_warning(prior + " does not know " + join(plain.unknown_words, "\"") + " and ignores what it does not know (it knows " +
                std::to_string(plain.vocabulary_size) + " words, listed in its " + manifest.vocabulary_file + ")");
  if (plain.dropped_words > 0)
    log_warning("the prompt is too long for " + prior + ": it reads " + std::to_string(manifest.context_length) +
                " words, the last " + std::to_string(plain.dropped_words) + " are dropped");
  else if (views.dropped_words > 0)
    log_warning("the prompt leaves no room for the view words (\", front view\"): " + prior + " reads " +
                std::to_string(manifest.context_length) + " words; shorten it, or front and back may look alike");
  if (manifest.evaluation && !parse_subject(prompt, *manifest.evaluation)) {
    std::vector<std::string> kinds;
    for (const ReferenceKind& kind : manifest.evaluation->kinds) kinds.push_back(kind.name);
    if (kinds.size() > kShownKinds) kinds.resize(kShownKinds);
    log_warning("the prompt names no object that " + prior + " knows, the result will be arbitrary; it knows: " + join(kinds, ""));
  } else if (plain.unknown_words.size() >= plain.word_count) {
    log_warning("no word of the prompt is known to " + prior + ": the result will be arbitrary");
  }
}

}  // namespace

std::string_view view_name(View view) { return kViewNames[static_cast<std::size_t>(view)]; }

View classify_view(const ViewAngles& angles, const GuidanceConfig& config) {
  constexpr double kRounding = 1e-9;  // an angle that was written in degrees comes back from radians beside its border
  const double azimuth = std::abs(degrees(std::remainder(angles.azimuth, 2 * std::numbers::pi)));  // [0, 180]
  View view = View::kSide;
  if (azimuth <= config.front_threshold_deg + kRounding) view = View::kFront;
  if (azimuth >= 180.0 - config.back_threshold_deg - kRounding) view = View::kBack;
  if (degrees(angles.elevation) > config.overhead_threshold_deg + kRounding) view = View::kOverhead;
  return view;
}

ViewPrompts::ViewPrompts(DiffusionPrior& prior, const std::string& prompt, const GuidanceConfig& config) : config_(config) {
  const PriorManifest& manifest = prior.manifest();
  const std::string& way = config.view_conditioning;
  if (way == "camera" && !manifest.camera_conditioning) throw missing_conditioning(manifest, "camera", "words");
  if (way == "words" && !manifest.words_conditioning) throw missing_conditioning(manifest, "words", "camera");
  use_camera_ = way != "words" && manifest.camera_conditioning;
  use_words_ = way != "camera" && manifest.words_conditioning && config.view_dependent_prompting;

  const EncodedText plain = prior.encode_text({prompt});
  if (plain.word_count == 0)
    throw UserError({.what = "the prompt has no word that the prior can read", .where = "prompt", .found = "\"" + prompt + "\"",
                     .fix = "describe an object in English words, for example \"a red mushroom\"", .exit_code = ExitCode::kUsage});
  std::vector<std::string> texts;
  for (const char* view : kViewNames) {
    const auto phrase = manifest.view_phrases.find(view);
    texts.push_back(use_words_ && phrase != manifest.view_phrases.end() ? prompt + phrase->second : prompt);
  }
  texts.push_back(prompt);
  const EncodedText views = prior.encode_text(texts);
  contexts_ = views.context;
  null_context_ = prior.encode_text({""}).context;
  warn_about_words(manifest, prompt, plain, views);
}

Conditioning ViewPrompts::conditional(const std::vector<ViewAngles>& views) const {
  std::vector<std::int64_t> rows;
  std::vector<double> cameras;
  for (const ViewAngles& view : views) {
    rows.push_back(use_words_ ? static_cast<std::int64_t>(classify_view(view, config_)) : kNoViewWords);
    const double known = use_camera_ ? 1.0 : 0.0;
    const double azimuth = std::remainder(view.azimuth, 2 * std::numbers::pi);
    cameras.insert(cameras.end(), {known * azimuth, known * view.elevation, known});
  }
  const at::Tensor index = at::tensor(rows, at::kLong).to(contexts_.device());
  const auto count = static_cast<std::int64_t>(views.size());
  return {contexts_.index_select(0, index), at::tensor(cameras, at::kDouble).view({count, 3}).to(contexts_.options())};
}

Conditioning ViewPrompts::unconditional(std::size_t count) const {
  const auto batch = static_cast<std::int64_t>(count);
  return {null_context_.expand({batch, -1, -1}), at::zeros({batch, 3}, null_context_.options())};
}

}  // namespace dreamfusion
