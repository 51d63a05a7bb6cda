#include "dreamfusion/core/named_tensors.h"

#include <ATen/core/grad_mode.h>

#include <sstream>

#include "dreamfusion/core/error.h"

namespace dreamfusion {
namespace {

[[noreturn]] void refuse(const std::string& origin, const std::string& found) {
  throw UserError({.what = "the stored state does not fit this run",
                   .where = origin,
                   .found = found,
                   .fix = "use the file with the configuration that it was written with"});
}

std::string shape_text(const at::Tensor& tensor) {
  std::ostringstream text;
  text << tensor.sizes();
  return text.str();
}

}  // namespace

// Everything is checked before anything is copied: a refused state leaves the target as it was.
void copy_state(NamedTensors& target, const NamedTensors& source, const std::string& origin) {
  for (const auto& [name, tensor] : target) {
    const auto entry = source.find(name);
    if (entry == source.end() || !entry->second.defined()) refuse(origin, "entry \"" + name + "\" is missing");
    if (entry->second.sizes() != tensor.sizes()) {
      refuse(origin, "entry \"" + name + "\" has shape " + shape_text(entry->second) + ", expected " + shape_text(tensor));
    }
  }
  for (const auto& [name, tensor] : source) {
    if (!target.contains(name)) refuse(origin, "entry \"" + name + "\" is unknown");
  }
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : target) tensor.copy_(source.at(name));
}

}  // namespace dreamfusion
