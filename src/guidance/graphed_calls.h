#pragma once
/// A network's calls as recorded graphs, one for each set of input shapes (PyTorch: CUDA Graphs, make_graphed_callables). A small
/// network's hundreds of kernels take the host longer to start than the GPU to run.
#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "graph_recorder.h"

namespace dreamfusion {

/// The first call with some shapes is made as it is, the second is recorded, and later ones are replays. A recording whose answer is not
/// the network's own, or that fails, is given up with a warning, and every call is made as it is from then on: nothing depends on graphs.
class GraphedCalls {
 public:
  using Call = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>;

  /// @param recorder  null: every call is made as it is
  /// @param name      of the network, for the warning
  GraphedCalls(std::unique_ptr<GraphRecorder> recorder, std::string name);
  ~GraphedCalls();
  GraphedCalls(GraphedCalls&&) noexcept;

  /// Without gradients. `call` must be the same function each time.
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs, const Call& call);
  /// One image, one answer, with history. Like every recorded backward pass it can be asked once for each forward pass.
  at::Tensor run_differentiable(const at::Tensor& input, const Call& call);

  std::size_t recorded() const;  ///< shapes that have a graph

 private:
  struct Plain;
  struct Differentiable;
  class Replay;
  bool wants_graph(const std::vector<at::Tensor>& inputs, bool differentiable);
  void give_up(const std::exception& error);

  std::unique_ptr<GraphRecorder> recorder_;
  std::string name_;
  std::map<std::string, int> calls_;  // by shapes
  std::map<std::string, std::unique_ptr<Plain>> plain_;
  std::map<std::string, std::shared_ptr<Differentiable>> differentiable_;
};

}  // namespace dreamfusion
