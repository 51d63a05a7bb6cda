#include <ATen/ops/empty.h>

#include "dreamfusion/core/error.h"
#include "dreamfusion/guidance/prior_pack.h"
#include "dreamfusion/io/files.h"

namespace dreamfusion {

at::Tensor load_reference_shape(const PriorPack& pack, std::size_t kind) {
  const std::optional<PriorEvaluation>& evaluation = pack.manifest().evaluation;
  if (!evaluation || evaluation->shapes_file.empty())
    throw UserError({.what = "the prior pack \"" + pack.manifest().name + "\" has no reference shapes",
                     .where = pack.folder().string(),
                     .fix = "compare shapes with a pack that has \"evaluation\" with \"shapes\""});
  TORCH_CHECK(kind < evaluation->kinds.size(), "load_reference_shape: kind ", kind, " of ", evaluation->kinds.size());
  const std::int64_t resolution = evaluation->shapes_resolution;
  const std::size_t voxels = static_cast<std::size_t>(resolution * resolution * resolution);
  const std::string bytes = read_file(pack.folder() / evaluation->shapes_file);
  const std::size_t expected = (evaluation->kinds.size() * voxels + 7) / 8;
  if (bytes.size() != expected)
    throw UserError({.what = "the reference shapes of the prior pack have the wrong size",
                     .where = (pack.folder() / evaluation->shapes_file).string(),
                     .found = std::to_string(bytes.size()) + " bytes, expected " + std::to_string(expected) + " (" +
                              std::to_string(evaluation->kinds.size()) + " kinds, one bit a voxel)",
                     .fix = "export the pack again"});
  at::Tensor shape = at::empty({resolution, resolution, resolution}, at::kBool);  // x fastest: [z, y, x]
  bool* inside = shape.data_ptr<bool>();
  for (std::size_t i = 0; i < voxels; ++i) {
    const std::size_t bit = kind * voxels + i;
    inside[i] = (static_cast<unsigned char>(bytes[bit / 8]) >> (bit % 8)) & 1;
  }
  return shape;
}

}  // namespace dreamfusion
