#include "torchscript_float32.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

namespace dreamfusion {
namespace {

namespace jit = torch::jit;

bool is_narrow(at::ScalarType type) { return type == at::kHalf || type == at::kBFloat16; }

/// `dtype` arguments are numbers of at::ScalarType in a graph.
bool is_narrow_type_number(const std::optional<c10::IValue>& value) {
  return value && value->isInt() && is_narrow(static_cast<at::ScalarType>(value->toInt()));
}

void widen_constant_tensor(jit::Node* node) {
  if (node->kind() != c10::prim::Constant || !node->hasAttribute(c10::attr::value) || node->kindOf(c10::attr::value) != jit::AttributeKind::t) return;
  const at::Tensor value = node->t(c10::attr::value);
  if (!is_narrow(value.scalar_type())) return;
  node->t_(c10::attr::value, value.to(at::kFloat));
  node->output()->setType(c10::TensorType::get());
}

void widen_type_arguments(jit::Graph& graph, jit::Node* node) {
  const c10::FunctionSchema* schema = node->maybeSchema();
  if (schema == nullptr) return;
  for (std::size_t i = 0; i < node->inputs().size() && i < schema->arguments().size(); ++i) {
    if (schema->arguments()[i].name() != "dtype" || !is_narrow_type_number(jit::toIValue(node->input(i)))) continue;
    const jit::WithInsertPoint here(node);
    node->replaceInput(i, graph.insertConstant(static_cast<std::int64_t>(at::kFloat)));
  }
}

void widen(jit::Graph& graph, jit::Block* block) {
  for (jit::Node* node : block->nodes()) {
    for (jit::Block* inner : node->blocks()) widen(graph, inner);
    widen_constant_tensor(node);
    widen_type_arguments(graph, node);
    for (jit::Value* output : node->outputs())  // a trace notes the types it saw; what follows from them no longer holds
      if (output->type()->kind() == c10::TypeKind::TensorType) output->setType(c10::TensorType::get());
  }
}

}  // namespace

void convert_to_float32(jit::Module& root) {
  const at::NoGradGuard no_grad;
  for (at::Tensor weight : root.parameters())
    if (is_narrow(weight.scalar_type())) weight.set_data(weight.to(at::kFloat));
  for (at::Tensor buffer : root.buffers())
    if (is_narrow(buffer.scalar_type())) buffer.set_data(buffer.to(at::kFloat));
  for (const jit::Module& module : root.modules())
    for (const jit::Method& method : module.get_methods()) {
      const auto graph = method.graph();
      for (jit::Value* input : graph->inputs())
        if (input->type()->kind() == c10::TypeKind::TensorType) input->setType(c10::TensorType::get());
      widen(*graph, graph->block());
    }
}

}  // namespace dreamfusion
