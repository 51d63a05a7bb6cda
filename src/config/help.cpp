#include <algorithm>
#include <array>

#include "dreamfusion/config/load.h"
#include "option_list.h"

namespace dreamfusion {
namespace {

using Row = std::array<std::string, 5>;  ///< path, kind, default, limits, help

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(width > text.size() ? width - text.size() : 0, ' ');
}

Row row_of(const OptionInfo& option) { return {option.path, option.kind, option.initial, option.limits, option.help}; }

}  // namespace

std::string config_help() {
  const std::vector<SectionInfo> sections = list_options();
  std::array<std::size_t, 4> widths{};
  for (const SectionInfo& section : sections) {
    for (const OptionInfo& option : section.options) {
      const Row row = row_of(option);
      for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const SectionInfo& section : sections) {
    const std::string name = section.path.empty() ? "" : section.path + ": ";
    text += (text.empty() ? "" : "\n") + name + section.help + "\n";
    for (const OptionInfo& option : section.options) {
      const Row row = row_of(option);
      text += "  ";
      for (std::size_t i = 0; i < widths.size(); ++i) text += padded(row[i], widths[i]) + "  ";
      text += row.back() + "\n";
    }
  }
  return text;
}

std::vector<std::string> config_keys() {
  std::vector<std::string> keys;
  for (const SectionInfo& section : list_options()) {
    for (const OptionInfo& option : section.options) keys.push_back(option.path);
  }
  return keys;
}

}  // namespace dreamfusion
