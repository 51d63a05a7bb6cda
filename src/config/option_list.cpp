#include "option_list.h"

#include <type_traits>

#include "dreamfusion/core/text.h"
#include "value_json.h"

namespace dreamfusion {
namespace {

/// Collects what `visit` says about each option.
class Lister {
 public:
  template <class Section>
  void section(const std::string& name, Section& members, const std::string& help) {
    const std::size_t outer = current_;
    const std::string path = path_of(name);
    current_ = sections_.size();
    sections_.push_back({path, help, {}});
    members.visit(*this);
    current_ = outer;
  }

  template <class Value>
  void option(const std::string& name, const Value& value, const std::string& help, const Range& range = {}) {
    const std::string limits = range ? number_text(range->low) + " to " + number_text(range->high) : "";
    add(name, value, help, limits);
  }

  void choice(const std::string& name, const std::string& value, const std::string& help,
              const std::vector<std::string>& choices) {
    std::string limits;
    for (const std::string& choice : choices) limits += (limits.empty() ? "" : "|") + choice;
    add(name, value, help, limits);
  }

  std::vector<SectionInfo> sections() && { return std::move(sections_); }

 private:
  template <class Value>
  void add(const std::string& name, const Value& value, const std::string& help, const std::string& limits) {
    sections_[current_].options.push_back({path_of(name), kind_of(value), json_text(value_to_json(value)), limits, help,
                                           std::is_same_v<Value, std::string>});
  }

  std::string path_of(const std::string& name) const {
    const std::string& prefix = sections_[current_].path;
    return prefix.empty() ? name : prefix + "." + name;
  }

  std::vector<SectionInfo> sections_{{"", "the run", {}}};
  std::size_t current_ = 0;
};

}  // namespace

std::vector<SectionInfo> list_options() {
  Config defaults;
  Lister lister;
  defaults.visit(lister);
  std::vector<SectionInfo> sections = std::move(lister).sections();
  std::erase_if(sections, [](const SectionInfo& section) { return section.options.empty(); });
  return sections;
}

std::string leaf_of(const std::string& path) { return path.substr(path.rfind('.') + 1); }

}  // namespace dreamfusion
