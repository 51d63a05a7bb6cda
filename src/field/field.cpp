#include "dreamfusion/field/field.h"

#include "dreamfusion/core/error.h"
#include "grid_field.h"

namespace dreamfusion {

void Field::set_step(std::int64_t, std::int64_t) {}

std::unique_ptr<Field> make_field(const FieldConfig& config, std::uint64_t seed, c10::Device device) {
  if (config.type == "grid") return std::make_unique<GridField>(config, init_grid_field(config, seed, device));
  throw UserError({.what = "there is no such field",
                   .where = "field.type",
                   .found = "\"" + config.type + "\"",
                   .fix = "choose \"grid\"",
                   .exit_code = ExitCode::kUsage});
}

}  // namespace dreamfusion
