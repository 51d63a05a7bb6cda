#pragma once
/// Under which names a step's numbers are read. Losses go by their own.

namespace dreamfusion {

inline constexpr const char* kMeanOpacity = "mean_opacity";
inline constexpr const char* kSamplesPerRay = "samples_per_ray";
inline constexpr const char* kTimestep = "timestep";
inline constexpr const char* kSdsMeanSquare = "sds_mean_square";
inline constexpr const char* kGradientSquares = "gradient_squares";  // the sum over all parameters

}  // namespace dreamfusion
