#pragma once
/// The classifier of kind and colour that comes with a pack of a closed domain.
#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>

#include "dreamfusion/guidance/prior_pack.h"

namespace dreamfusion {

/// What a prompt asks for, in the pack's own terms.
struct Subject {
  std::size_t kind;                         ///< index into evaluation.kinds
  std::optional<std::size_t> colour;        ///< index into evaluation.colours; of the main part
  std::optional<std::size_t> second_colour;
};
/// Reads kind and colours out of a prompt (docs/prior-pack.md, "kinds"). @return nothing when no known kind is named.
std::optional<Subject> parse_subject(const std::string& prompt, const PriorEvaluation& evaluation);

struct Verdict {
  at::Tensor kind;    ///< [B] int64, most likely kind
  at::Tensor colour;  ///< [B] int64, most likely colour
  at::Tensor kind_probability;  ///< [B, kinds]
};

class Scorer {
 public:
  /// @throws UserError when the pack has no scorer or it cannot be loaded.
  Scorer(const PriorPack& pack, c10::Device device);
  ~Scorer();
  /// @param images [B, 3, h, w] in [0, 1], resized to what the scorer wants.
  Verdict judge(const at::Tensor& images);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dreamfusion
