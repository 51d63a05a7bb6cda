#pragma once
#include <vector>

#include "dreamfusion/core/named_tensors.h"

namespace dreamfusion {

/// Running mean of parameters: mean ← decay·mean + (1 − decay)·parameter. Decay 0 keeps nothing and does nothing.
class ParameterAverage {
 public:
  ParameterAverage(const std::vector<ParameterGroup>& groups, double decay);

  void update();
  /// Exchanges the mean with the parameters, in place; twice is nothing.
  void swap();
  /// "average.<name>"; shares storage.
  NamedTensors state() const;

 private:
  struct Pair {
    at::Tensor parameter, mean;
  };
  std::map<std::string, Pair> pairs_;
  double decay_;
};

/// A checkpoint's tensors with the parameters replaced by their running mean, where it holds one.
NamedTensors prefer_average(const NamedTensors& state);

}  // namespace dreamfusion
