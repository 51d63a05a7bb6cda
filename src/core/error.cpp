#include "dreamfusion/core/error.h"

#include <utility>

namespace dreamfusion {
namespace {

/// "  label: text"; further lines of a text stand under its first.
void append_part(std::string& message, const std::string& label, const std::string& text) {
  if (text.empty()) return;
  const std::string head = "  " + label;
  message += "\n" + head;
  for (const char c : text) {
    message += c;
    if (c == '\n') message.append(head.size(), ' ');
  }
}

std::string compose(const Fault& fault) {
  std::string message = fault.what;
  append_part(message, "where: ", fault.where);
  append_part(message, "found: ", fault.found);
  append_part(message, "fix:   ", fault.fix);
  return message;
}

}  // namespace

UserError::UserError(Fault fault) : std::runtime_error(compose(fault)), fault_(std::move(fault)) {}

}  // namespace dreamfusion
