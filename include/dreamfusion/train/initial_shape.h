#pragma once
/// A run that starts from a shape of the user's instead of the blob.
#include "dreamfusion/config/config.h"
#include "dreamfusion/mesh/solid.h"
#include "dreamfusion/train/scene.h"

namespace dreamfusion {

/// The shape of config.init_mesh, in its place in the scene. @throws UserError as read_obj does
Solid read_initial_shape(const Config& config);

/// How well a field has taken to a shape.
struct ShapeFit {
  double iou = 0;      ///< of the field's solid with the shape, at points all over its neighbourhood
  double seconds = 0;
};

/// Fits the scene's field (and its proposals) to the shape by supervised regression: config.init_mesh.density inside, nothing outside, a
/// ramp across the surface, grey all over. Its occupancy grid is that of the fitted field. A pure function of (scene, shape, config).
/// @throws UserError (ExitCode::kInterrupted) once Ctrl-C was pressed
ShapeFit fit_initial_shape(Scene& scene, const Solid& shape, const Config& config);

}  // namespace dreamfusion
