#pragma once
/// Are these draws from that distribution?
#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace dreamfusion::testing {

/// √n times the Kolmogorov–Smirnov distance of the draws to the distribution function; above 1.95 once in a thousand times.
inline double kolmogorov_smirnov(std::vector<double> draws, const std::function<double(double)>& cumulative) {
  std::sort(draws.begin(), draws.end());
  const auto n = static_cast<double>(draws.size());
  double distance = 0.0;
  for (std::size_t i = 0; i < draws.size(); ++i) {
    const double expected = cumulative(draws[i]);
    distance = std::max({distance, std::abs(expected - static_cast<double>(i) / n), std::abs(expected - static_cast<double>(i + 1) / n)});
  }
  return distance * std::sqrt(n);
}
inline constexpr double kOneInAThousand = 1.95;

inline std::function<double(double)> uniform_cumulative(double low, double high) {
  return [=](double x) { return std::clamp((x - low) / (high - low), 0.0, 1.0); };
}

}  // namespace dreamfusion::testing
