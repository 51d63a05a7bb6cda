#pragma once
/// The finished object's mesh, shaped and coloured further: first until it looks like the volume that it was cut out of, then under the
/// guidance that made the volume. Legend: V vertices, N points.
#include <memory>
#include <string>
#include <vector>

#include "dreamfusion/config/config.h"
#include "dreamfusion/core/transfer.h"
#include "dreamfusion/guidance/score_distillation.h"
#include "dreamfusion/mesh/mesh.h"
#include "dreamfusion/train/checkpoint.h"
#include "dreamfusion/train/scene.h"

namespace dreamfusion {

/// What one step did; a line of metrics.jsonl.
struct RefineReport {
  std::int64_t step = 0;        ///< steps done, this one included
  double outline_error = 0;     ///< mean squared difference of the coverage to the volume's
  double color_error = 0;       ///< mean squared difference of the albedo where both are
  double distance_error = 0;    ///< mean squared difference of the distances there, in bounding radii
  double gradient_rms = 0;      ///< of the SDS gradient; 0 in the fit
  std::string to_json() const;
};

class Refiner {
 public:
  /// @param start  of `scene`, closed
  /// @param scene  the finished volume; it is read now and changed never
  /// @param prior  must outlive the refiner
  Refiner(const Config& config, const Mesh& start, const Scene& scene, DiffusionPrior& prior);
  ~Refiner();

  RefineReport step();
  std::int64_t steps_done() const { return step_; }
  std::int64_t steps_planned() const { return config_.refine.fit_steps + config_.refine.steps; }
  bool finished() const { return step_ >= steps_planned(); }

  /// The state to go on from, copied to the CPU.
  Checkpoint checkpoint() const;
  /// @throws UserError when it is not of this mesh and field
  void restore(const Checkpoint& checkpoint, const std::string& origin);

  /// The mesh as it is now, with normals and, as vertex colours, the albedo. Triangles are those of the start.
  Mesh mesh() const;
  /// The albedo at places on the mesh as it was at the start [N, 3] → [N, 3] on the CPU: colours travel with the surface.
  at::Tensor albedo(const at::Tensor& place_at_start) const;

 private:
  struct Parts;
  at::Tensor fit_loss(std::int64_t draw, Readings& readings) const;
  at::Tensor distillation_loss(Readings& readings) const;

  Config config_;
  DiffusionPrior& prior_;
  c10::Device device_;
  std::int64_t step_ = 0;
  std::unique_ptr<Parts> parts_;
};

}  // namespace dreamfusion
