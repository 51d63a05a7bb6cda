#include "dreamfusion/guidance/scorer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/tensor_check.h"
#include "resize.h"
#include "torchscript_module.h"

namespace dreamfusion {
namespace {

const PriorEvaluation& evaluation_of(const PriorPack& pack) {
  if (pack.manifest().evaluation) return *pack.manifest().evaluation;
  throw UserError({.what = "the prior pack \"" + pack.manifest().name + "\" has no scorer", .where = pack.folder().string(),
                   .found = "no \"evaluation\" in prior.json", .fix = "judge with a pack that has one, such as starter-64"});
}

}  // namespace

struct Scorer::Impl {
  TorchScriptModule module;
  c10::Device device;
  std::int64_t resolution;
};

Scorer::Scorer(const PriorPack& pack, c10::Device device) {
  const PriorEvaluation& evaluation = evaluation_of(pack);
  impl_ = std::make_unique<Impl>(
      Impl{TorchScriptModule(pack.folder() / evaluation.scorer_file, {device}), device, evaluation.scorer_resolution});
  const at::Tensor gray = at::full({2, 3, impl_->resolution, impl_->resolution}, 0.5, at::TensorOptions(at::kFloat).device(device));
  impl_->module.probe({gray}, {{"kind logits", {2, static_cast<std::int64_t>(evaluation.kinds.size())}},
                               {"colour logits", {2, static_cast<std::int64_t>(evaluation.colours.size())}}});
}

Scorer::~Scorer() = default;

Verdict Scorer::judge(const at::Tensor& images) {
  check_float(images, "images", {kAny, 3, kAny, kAny});
  const at::NoGradGuard no_grad;
  const at::Tensor input = resize_bilinear(images.detach().to(impl_->device, at::kFloat), impl_->resolution);
  const std::vector<at::Tensor> logits = impl_->module.run({input});
  return {logits[0].argmax(1), logits[1].argmax(1), logits[0].softmax(1)};
}

}  // namespace dreamfusion
