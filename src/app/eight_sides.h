#pragma once
/// An object from eight sides, as the prior pack's scorer is asked about it.
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "dreamfusion/guidance/scorer.h"
#include "dreamfusion/mesh/texture.h"
#include "dreamfusion/render/shading.h"
#include "session.h"

namespace dreamfusion {

inline constexpr int kSides = 8;

/// [8, 3, H, W]: the volume of a run in one shading, on plain light gray.
at::Tensor volume_from_eight_sides(const FinishedRun& run, ShadingMode mode);
/// The same of a mesh, rasterised, with its normals and its texture.
at::Tensor mesh_from_eight_sides(const TexturedMesh& textured, const Config& config, ShadingMode mode);

/// How many of the sides the scorer reads as the prompt's subject.
struct Recognition {
  int kind = 0, colour = 0, both = 0;
  double kind_probability = 0.0;  ///< mean over the sides
};
Recognition recognise(Scorer& scorer, const at::Tensor& images, const Subject& subject);

/// The three shadings that a verdict is about, and the pictures [3·H, 8·W, 3]: albedo above lit above textureless.
struct Recognitions {
  Recognition albedo, lit, textureless;
  at::Tensor sheet;
};
Recognitions recognise_all(Scorer& scorer, const Subject& subject, const std::function<at::Tensor(ShadingMode)>& images);

}  // namespace dreamfusion
