#pragma once
/// Between the host and a GPU without making either wait for the other in the middle of a step.
#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace dreamfusion {

/// The tensor on `device`. What the host has made for a GPU goes through pinned memory and arrives in the order of the queue.
at::Tensor send(const at::Tensor& tensor, c10::Device device);

/// Numbers that work on a device leaves there, to be read all at once when it is done.
class Readings {
 public:
  /// Adds a tensor of one element to what stands under the name.
  void add(const std::string& name, const at::Tensor& value);
  void add(const Readings& others);
  /// Waits for the devices that the numbers are on, once each.
  std::map<std::string, double> read() const;

 private:
  std::map<std::string, at::Tensor> values_;  // double, without dimensions
};

}  // namespace dreamfusion
