#include "dreamfusion/field/field.h"

#include <ATen/ops/zeros.h>

#include "dreamfusion/core/error.h"
#include "chunked_field.h"
#include "hash_field.h"
#include "mlp_field.h"

namespace dreamfusion {

void Field::set_step(std::int64_t, std::int64_t) {}

at::Tensor Field::total_variation() const { return at::zeros({}); }

std::unique_ptr<Field> make_field(const FieldConfig& config, Rng rng, c10::Device device) {
  if (config.type == "hash") return std::make_unique<HashField>(config, init_hash_field(config.hash, std::move(rng), device));
  if (config.type == "mlp") {
    auto field = std::make_unique<MlpField>(config, init_residual_network(config.mlp, 4, std::move(rng), device));
    if (config.mlp.chunk == 0) return field;
    return std::make_unique<ChunkedField>(std::move(field), config.mlp.chunk);
  }
  throw UserError({.what = "there is no such field",
                   .where = "field.type",
                   .found = "\"" + config.type + "\"",
                   .fix = "choose \"hash\" or \"mlp\"",
                   .exit_code = ExitCode::kUsage});
}

}  // namespace dreamfusion
