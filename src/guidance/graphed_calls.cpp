#include "graphed_calls.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <limits>
#include <sstream>
#include <utility>

#include "dreamfusion/core/log.h"

namespace dreamfusion {
namespace {

constexpr std::size_t kMostGraphs = 4;  // each keeps its activations
constexpr double kTolerance = 1e-2;     // of the largest value: another algorithm of the same convolution in float16

std::string key_of(const std::vector<at::Tensor>& inputs) {
  std::ostringstream key;
  for (const at::Tensor& input : inputs) key << input.device() << input.scalar_type() << input.sizes();
  return key.str();
}

/// What stands in the place of an answer until a replay writes it: a replay that does nothing must not pass for one.
constexpr double kUntouched = std::numeric_limits<double>::quiet_NaN();

/// @throws c10::Error
void check_same(const at::Tensor& replayed, const at::Tensor& expected, const char* what) {
  const double largest = expected.abs().max().item<double>(), apart = (replayed - expected).abs().max().item<double>();
  TORCH_CHECK(apart <= kTolerance * largest, "the replayed ", what, " is ", apart, " from the network's own (of ", largest, ")");
}

}  // namespace

struct GraphedCalls::Plain {
  std::vector<at::Tensor> inputs, outputs;
  std::unique_ptr<RecordedGraph> graph;

  Plain(GraphRecorder& recorder, const std::vector<at::Tensor>& given, const Call& call) {
    const std::vector<at::Tensor> expected = call(given);
    for (const at::Tensor& input : given) inputs.push_back(at::zeros_like(input));
    for (const at::Tensor& output : expected) outputs.push_back(at::empty_like(output));
    graph = recorder.record(given[0].device(), [this, call] {
      const std::vector<at::Tensor> answers = call(inputs);
      for (std::size_t i = 0; i < answers.size(); ++i) outputs[i].copy_(answers[i]);
    });
    for (const at::Tensor& output : outputs) output.fill_(kUntouched);
    const std::vector<at::Tensor> replayed = replay(given);
    for (std::size_t i = 0; i < expected.size(); ++i) check_same(replayed[i], expected[i], "answer");
  }

  std::vector<at::Tensor> replay(const std::vector<at::Tensor>& given) {
    for (std::size_t i = 0; i < given.size(); ++i) inputs[i].copy_(given[i]);
    graph->replay();
    std::vector<at::Tensor> answers;
    for (const at::Tensor& output : outputs) answers.push_back(output.clone());
    return answers;
  }
};

struct GraphedCalls::Differentiable {
  at::Tensor input, output, output_gradient, input_gradient;
  at::Tensor answer;  // with the history that the backward pass was recorded from: it holds the activations
  std::unique_ptr<RecordedGraph> forward, backward;
  std::int64_t forward_passes = 0;

  Differentiable(GraphRecorder& recorder, const at::Tensor& given, const Call& call) {
    const at::Tensor asked = given.detach().clone().requires_grad_();
    const at::Tensor expected = call({asked})[0];
    input = at::zeros_like(asked).requires_grad_();
    output = at::empty_like(expected.detach());
    output_gradient = at::ones_like(output);
    input_gradient = at::empty_like(given.detach());
    const at::Tensor expected_gradient = torch::autograd::grad({expected}, {asked}, {output_gradient})[0];
    forward = recorder.record(given.device(), [this, call] {
      answer = call({input})[0];
      const at::NoGradGuard no_grad;
      output.copy_(answer);
    });
    output.fill_(kUntouched);
    check_same(replay_forward(given.detach()), expected.detach(), "answer");
    backward = recorder.record(given.device(), [this] {
      input_gradient.copy_(torch::autograd::grad({answer}, {input}, {output_gradient}, /*retain_graph=*/true)[0]);
    });
    input_gradient.fill_(kUntouched);
    check_same(replay_backward(at::ones_like(output)), expected_gradient, "gradient");
  }

  at::Tensor replay_forward(const at::Tensor& given) {
    const at::NoGradGuard no_grad;
    input.variable_data().copy_(given);  // not detach(): the history that the backward pass is recorded from must not see a change
    const at::AutoGradMode with_history(true);
    forward->replay();
    ++forward_passes;
    return output.clone();
  }
  at::Tensor replay_backward(const at::Tensor& gradient) {
    output_gradient.copy_(gradient);
    const at::AutoGradMode with_history(true);
    backward->replay();
    return input_gradient.clone();
  }
};

/// The replays as one step of the caller's history.
class GraphedCalls::Replay : public torch::autograd::Function<GraphedCalls::Replay> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input,
                            const std::shared_ptr<GraphedCalls::Differentiable>& graphs) {
    const at::Tensor output = graphs->replay_forward(input);
    context->save_for_backward({input});
    context->saved_data["graphs"] = c10::IValue::make_capsule(c10::make_intrusive<Kept>(graphs, graphs->forward_passes));
    return output;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, const torch::autograd::variable_list& gradients) {
    const auto kept = c10::static_intrusive_pointer_cast<Kept>(context->saved_data["graphs"].toCapsule());
    // Another image has gone through since: its activations lie where this one's were.
    if (kept->graphs->forward_passes != kept->pass) kept->graphs->replay_forward(context->get_saved_variables()[0]);
    return {kept->graphs->replay_backward(gradients[0]), at::Tensor()};
  }

 private:
  struct Kept : torch::CustomClassHolder {
    Kept(std::shared_ptr<GraphedCalls::Differentiable> of, std::int64_t number) : graphs(std::move(of)), pass(number) {}
    std::shared_ptr<GraphedCalls::Differentiable> graphs;
    std::int64_t pass;
  };
};

#if !DREAMFUSION_CUDA_KERNELS
std::unique_ptr<GraphRecorder> make_graph_recorder() { return nullptr; }
#endif

GraphedCalls::GraphedCalls(std::unique_ptr<GraphRecorder> recorder, std::string name) : recorder_(std::move(recorder)), name_(std::move(name)) {}
GraphedCalls::~GraphedCalls() = default;
GraphedCalls::GraphedCalls(GraphedCalls&&) noexcept = default;

std::size_t GraphedCalls::recorded() const { return plain_.size() + differentiable_.size(); }

/// From the second call with these shapes on.
bool GraphedCalls::wants_graph(const std::vector<at::Tensor>& inputs, bool differentiable) {
  return recorder_ != nullptr && recorded() < kMostGraphs && ++calls_[key_of(inputs) + (differentiable ? "d" : "")] > 1;
}

void GraphedCalls::give_up(const std::exception& error) {
  const std::string reason = error.what();
  log_warning("guidance.cuda_graphs: " + name_ + " cannot be recorded (" + reason.substr(0, reason.find('\n')) + "): going on without");
  recorder_.reset();
  plain_.clear();
  differentiable_.clear();
}

std::vector<at::Tensor> GraphedCalls::run(const std::vector<at::Tensor>& inputs, const Call& call) {
  const std::string key = key_of(inputs);
  if (const auto found = plain_.find(key); found != plain_.end()) return found->second->replay(inputs);
  if (!wants_graph(inputs, false)) return call(inputs);
  try {
    plain_[key] = std::make_unique<Plain>(*recorder_, inputs, call);
  } catch (const std::exception& error) {
    give_up(error);
    return call(inputs);
  }
  return plain_.at(key)->replay(inputs);
}

at::Tensor GraphedCalls::run_differentiable(const at::Tensor& input, const Call& call) {
  if (!input.requires_grad() || !at::GradMode::is_enabled()) {
    const at::NoGradGuard no_grad;
    return run({input}, call)[0];
  }
  const std::string key = key_of({input});
  auto found = differentiable_.find(key);
  if (found == differentiable_.end()) {
    if (!wants_graph({input}, true)) return call({input})[0];
    try {
      found = differentiable_.emplace(key, std::make_shared<Differentiable>(*recorder_, input, call)).first;
    } catch (const std::exception& error) {
      give_up(error);
      return call({input})[0];
    }
  }
  return Replay::apply(input, found->second);
}

}  // namespace dreamfusion
