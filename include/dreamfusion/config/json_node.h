#pragma once
/// Reading values out of JSON that someone else wrote: every problem is collected with its dotted path, none stops the reading.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "dreamfusion/config/values.h"

namespace dreamfusion {

using Problems = std::vector<std::string>;

/// A place in a JSON document, perhaps an empty one. Reading a value of the wrong kind notes a problem and gives a default; what is
/// below a missing or wrong place stays silent, so that one fault is told once.
class JsonNode {
 public:
  JsonNode(const nlohmann::json& root, Problems& problems) : value_(&root), problems_(&problems) {}

  JsonNode at(const std::string& key) const;    ///< a member that must be there
  JsonNode find(const std::string& key) const;  ///< a member that may be absent: then silent
  bool present() const { return value_ != nullptr; }
  const nlohmann::json& json() const { return *value_; }  ///< only where present()

  std::string text() const;  ///< not empty
  std::string choice(const std::vector<std::string>& supported) const;
  std::int64_t integer(Interval range) const;
  double number(Interval range) const;
  bool boolean() const;
  std::vector<JsonNode> items() const;
  std::vector<std::pair<std::string, JsonNode>> members() const;
  std::vector<std::string> texts() const;
  std::vector<double> numbers() const;

  /// Notes "path: expected …, found …" (or "missing, expected …"); `found` replaces the value itself.
  void complain(const std::string& expected, const std::string& found = {}) const;

 private:
  JsonNode(const nlohmann::json* value, Problems* problems, std::string path, bool silent)
      : value_(value), problems_(problems), path_(std::move(path)), silent_(silent) {}
  JsonNode child(const nlohmann::json* value, const std::string& step) const;

  const nlohmann::json* value_;
  Problems* problems_;
  std::string path_;
  bool silent_ = false;
};

/// Parses a file's text. @throws UserError with file, line and column, and in words what is wrong there.
nlohmann::json parse_json_file(const std::string& text, const std::string& path);

/// Problems, one a line.
std::string list_problems(const Problems& problems);

}  // namespace dreamfusion
