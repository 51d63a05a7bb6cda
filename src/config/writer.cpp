#include "dreamfusion/config/load.h"
#include "value_json.h"

namespace dreamfusion {
namespace {

/// One option a line, sections indented.
class Writer {
 public:
  template <class Section>
  void section(const std::string& name, Section& members, const std::string&) {
    begin_entry(name);
    text_ += "{";
    ++depth_;
    first_ = true;
    members.visit(*this);
    --depth_;
    first_ = false;
    new_line();
    text_ += "}";
  }

  template <class Value>
  void option(const std::string& name, const Value& value, const std::string&, const Interval& = {}) {
    begin_entry(name);
    text_ += json_text(value_to_json(value));
  }

  void choice(const std::string& name, const std::string& value, const std::string& help, const std::vector<std::string>&) {
    option(name, value, help);
  }

  std::string text() const { return text_ + "\n}"; }

 private:
  void begin_entry(const std::string& name) {
    if (!first_) text_ += ",";
    first_ = false;
    new_line();
    text_ += json_text(name) + ": ";
  }

  void new_line() { text_ += "\n" + std::string(2 * depth_, ' '); }

  std::string text_ = "{";
  std::size_t depth_ = 1;
  bool first_ = true;
};

}  // namespace

std::string config_to_json(const Config& config) {
  Config copy = config;  // visit is written once, for readers too
  Writer writer;
  copy.visit(writer);
  return writer.text();
}

}  // namespace dreamfusion
