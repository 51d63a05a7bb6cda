#pragma once
/// A frozen network of a pack, whatever runs it, with its faults told in words.
#include <ATen/core/Tensor.h>

#include <exception>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "dreamfusion/core/error.h"

namespace dreamfusion {

/// What a network must answer to a probe.
struct ExpectedOutput {
  std::string name;
  std::vector<std::int64_t> shape;
};

/// Where a network runs, and in what. Inputs and outputs are float32 either way.
struct ModulePlace {
  c10::Device device = at::kCPU;
  bool as_stored = false;  ///< compute in the type of the weights; else everything in the file becomes float32
  bool rounded = false;    ///< run() takes bfloat16 operands where LibTorch's autocast allows (products, convolutions)
  bool recorded = false;   ///< calls on a GPU become CUDA graphs (graphed_calls.h)
};

/// A network did not fit into memory: with a smaller batch it might.
class OutOfMemory : public UserError {
 public:
  using UserError::UserError;
};

class Network {
 public:
  explicit Network(const std::filesystem::path& file) : file_(file.string()) {}
  virtual ~Network() = default;

  /// Runs without gradients; a tensor or a tuple of tensors comes back as a list.
  /// @throws UserError when the network fails, with the last line that says why; OutOfMemory where memory is the reason.
  virtual std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) = 0;

  /// Runs once and checks that the outputs are float32, finite and of these shapes.
  /// @throws UserError that names file and output, expected and found.
  void probe(const std::vector<at::Tensor>& inputs, const std::vector<ExpectedOutput>& expected);

  /// The most images that one run takes.
  virtual std::int64_t max_batch() const { return std::numeric_limits<std::int64_t>::max(); }

  /// Bytes of the weights as they lie in memory.
  virtual std::size_t weight_bytes() const = 0;

 protected:
  UserError fault(const std::string& what, const std::string& found) const;
  /// The fault of a run that ended with `error`.
  [[noreturn]] void refuse_run(const std::exception& error) const;
  /// The one line of a LibTorch message that says why: after "RuntimeError: " if the interpreter failed, else the first.
  static std::string explain(const std::exception& error);

  std::string file_;
};

}  // namespace dreamfusion
