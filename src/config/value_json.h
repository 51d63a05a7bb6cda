#pragma once
/// How each kind of option value looks in JSON, in words, and whether it is in range.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "dreamfusion/config/values.h"

namespace dreamfusion {

using Json = nlohmann::ordered_json;
using Range = std::optional<Interval>;

/// What is wrong with a value, in words that go behind "path: ".
class ValueProblem : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Reads `json` into `value`. @throws ValueProblem on a wrong kind or a number outside `range`; `value` is then unchanged.
void read_value(const Json& json, bool& value, const Range& range);
void read_value(const Json& json, std::int64_t& value, const Range& range);
void read_value(const Json& json, double& value, const Range& range);
void read_value(const Json& json, std::string& value, const Range& range);
void read_value(const Json& json, Interval& value, const Range& range);
void read_value(const Json& json, ScheduledValue& value, const Range& range);

Json value_to_json(bool value);
Json value_to_json(std::int64_t value);
Json value_to_json(double value);
Json value_to_json(const std::string& value);
Json value_to_json(const Interval& value);
Json value_to_json(const ScheduledValue& value);

/// "integer", "[low, high]", …
std::string kind_of(const bool&);
std::string kind_of(const std::int64_t&);
std::string kind_of(const double&);
std::string kind_of(const std::string&);
std::string kind_of(const Interval&);
std::string kind_of(const ScheduledValue&);

/// `json` on one line: `[0.5, 32, 64, 0.5]`. Bytes that are no UTF-8 are replaced.
std::string json_text(const Json& json);

/// A message about a wrong kind: "expected an integer, got 1.7". Long values are cut.
[[noreturn]] void refuse_kind(const std::string& expected, const Json& json);

template <class Element>
void read_value(const Json& json, std::vector<Element>& value, const Range& range) {
  if (!json.is_array()) refuse_kind("a list", json);
  std::vector<Element> elements(json.size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    try {
      read_value(json[i], elements[i], range);
    } catch (const ValueProblem& problem) {
      throw ValueProblem("entry " + std::to_string(i) + ": " + problem.what());
    }
  }
  value = std::move(elements);
}

template <class Element>
Json value_to_json(const std::vector<Element>& value) {
  Json json = Json::array();
  for (const Element& element : value) json.push_back(value_to_json(element));
  return json;
}

template <class Element>
std::string kind_of(const std::vector<Element>&) {
  return "list of " + kind_of(Element{}) + "s";
}

}  // namespace dreamfusion
