#pragma once
#include <cmath>
#include <vector>

namespace dreamfusion::testing {

/// Stable Diffusion's "scaled linear" schedule: β = linspace(√.00085, √.012, 1000)².
inline std::vector<double> scaled_linear_alphas_cumprod() {
  std::vector<double> table;
  double product = 1.0;
  for (int t = 0; t < 1000; ++t) {
    const double root = std::sqrt(0.00085) + (std::sqrt(0.012) - std::sqrt(0.00085)) * t / 999.0;
    table.push_back(product *= 1.0 - root * root);
  }
  return table;
}

}  // namespace dreamfusion::testing
