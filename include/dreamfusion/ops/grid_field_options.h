#pragma once
/// What a grid field does with its network's answers; free of LibTorch, so that kernels can include it.

namespace dreamfusion::ops {

enum class DensityActivation { kSoftplus, kExp };  ///< kExp: gradient of exp(min(raw, 15))

/// What the density starts as, r = ‖x‖: kCone strength·(1 − r/radius) and kGaussian strength·exp(−r²/2radius²) before the
/// activation, kGaussianDensity the latter after it.
enum class DensityBlob { kNone, kCone, kGaussian, kGaussianDensity };

enum class NormalRule { kNone, kForwardDifference, kAnalytic };

struct GridFieldOptions {
  double bounding_radius = 1.0;  ///< points outside are moved onto this sphere; it spans the grid's cube
  DensityActivation activation = DensityActivation::kSoftplus;
  double density_bias = 0.0;
  DensityBlob blob = DensityBlob::kNone;
  double blob_strength = 0.0;
  double blob_radius = 1.0;  ///< world units
  NormalRule normals = NormalRule::kNone;
  double normal_step = 0.01;  ///< of the forward differences, world units
  bool albedo = true;
};

}  // namespace dreamfusion::ops
