#include "value_json.h"

#include <cmath>

#include "dreamfusion/core/text.h"

namespace dreamfusion {
namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;

void check_range(double value, const Range& range) {
  if (!range || (value >= range->low && value <= range->high)) return;
  throw ValueProblem(number_text(value) + " is not in " + number_text(range->low) + " to " + number_text(range->high));
}

bool is_utf8(const std::string& text) {
  try {
    Json(text).dump();
    return true;
  } catch (const Json::type_error&) {
    return false;
  }
}

/// A whole number, written as one (3) or with nothing behind its point (3.0).
std::int64_t whole_number(const Json& json) {
  if (json.is_number_unsigned()) {
    const auto value = json.get<std::uint64_t>();
    if (value >= static_cast<std::uint64_t>(kTwoTo63)) throw ValueProblem(json_text(json) + " is too large for an integer");
    return static_cast<std::int64_t>(value);
  }
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (!json.is_number_float()) refuse_kind("an integer", json);
  const double value = json.get<double>();
  if (!(std::abs(value) < kTwoTo63)) throw ValueProblem(json_text(json) + " is too large for an integer");
  if (value != std::trunc(value)) refuse_kind("an integer", json);
  return static_cast<std::int64_t>(value);
}

/// An integer is a step, a number with a decimal point a fraction of the run.
Moment read_moment(const Json& json) {
  if (!json.is_number()) refuse_kind("a step or a fraction of the run", json);
  Moment moment{json.get<double>(), json.is_number_float()};
  constexpr double kLastStep = 9007199254740991.0;  // whole numbers are exact up to 2^53
  if (moment.value > kLastStep) throw ValueProblem("the moment " + json_text(json) + " is too large");
  if (moment.value < 0.0) throw ValueProblem("the moment " + json_text(json) + " is before the start of the run");
  if (moment.is_fraction && moment.value > 1.0) {
    throw ValueProblem("the moment " + json_text(json) +
                       " is neither a fraction of the run (0.0 to 1.0) nor a step (a whole number without a point)");
  }
  return moment;
}

Json moment_to_json(const Moment& moment) {
  return moment.is_fraction ? Json(moment.value) : Json(static_cast<std::int64_t>(moment.value));
}

constexpr const char* kScheduleForm =
    "a number, [start_step, start_value, end_value, end_step] or a list of such quadruples";

ScheduledValue::Segment read_segment(const Json& json, const Range& range) {
  if (!json.is_array() || json.size() != 4) refuse_kind(kScheduleForm, json);
  ScheduledValue::Segment segment;
  segment.start = read_moment(json[0]);
  read_value(json[1], segment.start_value, range);
  read_value(json[2], segment.end_value, range);
  segment.end = read_moment(json[3]);
  return segment;
}

}  // namespace

std::string json_text(const Json& json) {
  if (!json.is_array()) return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string text;
  for (const Json& element : json) text += (text.empty() ? "" : ", ") + json_text(element);
  return "[" + text + "]";
}

void refuse_kind(const std::string& expected, const Json& json) {
  constexpr std::size_t kLongest = 60;
  std::string found = json_text(json);
  if (found.size() > kLongest) {
    std::size_t end = kLongest;
    while ((static_cast<unsigned char>(found[end]) & 0xC0U) == 0x80U) --end;  // not inside a UTF-8 character
    found = found.substr(0, end) + "…";
  }
  throw ValueProblem("expected " + expected + ", got " + found);
}

void read_value(const Json& json, bool& value, const Range&) {
  if (!json.is_boolean()) refuse_kind("true or false", json);
  value = json.get<bool>();
}

void read_value(const Json& json, std::int64_t& value, const Range& range) {
  const std::int64_t number = whole_number(json);
  check_range(static_cast<double>(number), range);
  value = number;
}

void read_value(const Json& json, double& value, const Range& range) {
  if (!json.is_number()) refuse_kind("a number", json);
  const auto number = json.get<double>();
  check_range(number, range);
  value = number;
}

void read_value(const Json& json, std::string& value, const Range&) {
  if (!json.is_string()) refuse_kind("a text", json);
  if (!is_utf8(json.get_ref<const std::string&>())) throw ValueProblem("the text is not valid UTF-8");
  value = json.get<std::string>();
}

void read_value(const Json& json, Interval& value, const Range& range) {
  if (!json.is_array() || json.size() != 2) refuse_kind("[low, high]", json);
  Interval interval;
  read_value(json[0], interval.low, range);
  read_value(json[1], interval.high, range);
  if (interval.low > interval.high) throw ValueProblem("low is above high in " + json_text(json));
  value = interval;
}

void read_value(const Json& json, ScheduledValue& value, const Range& range) {
  if (json.is_number()) {
    double constant = 0.0;
    read_value(json, constant, range);
    value = ScheduledValue(constant);
    return;
  }
  if (!json.is_array() || json.empty()) refuse_kind(kScheduleForm, json);
  std::vector<ScheduledValue::Segment> segments;
  if (json[0].is_array()) {
    for (const Json& segment : json) segments.push_back(read_segment(segment, range));
  } else {
    segments.push_back(read_segment(json, range));
  }
  value = ScheduledValue(std::move(segments));
}

Json value_to_json(bool value) { return value; }
Json value_to_json(std::int64_t value) { return value; }
Json value_to_json(double value) { return value; }
Json value_to_json(const std::string& value) { return value; }
Json value_to_json(const Interval& value) { return {value.low, value.high}; }

Json value_to_json(const ScheduledValue& value) {
  const auto& segments = value.segments();
  if (value == ScheduledValue(segments[0].start_value)) return segments[0].start_value;
  Json list = Json::array();
  for (const ScheduledValue::Segment& segment : segments) {
    list.push_back({moment_to_json(segment.start), segment.start_value, segment.end_value, moment_to_json(segment.end)});
  }
  return list.size() == 1 ? list[0] : list;
}

std::string kind_of(const bool&) { return "true or false"; }
std::string kind_of(const std::int64_t&) { return "integer"; }
std::string kind_of(const double&) { return "number"; }
std::string kind_of(const std::string&) { return "text"; }
std::string kind_of(const Interval&) { return "[low, high]"; }
std::string kind_of(const ScheduledValue&) { return "schedule"; }

}  // namespace dreamfusion
