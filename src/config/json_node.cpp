#include "dreamfusion/config/json_node.h"

#include <algorithm>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/text.h"

namespace dreamfusion {
namespace {

constexpr std::size_t kMostProblems = 12;  // more than these help nobody
constexpr std::size_t kLongestValue = 60;

std::string describe(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', true);
  if (text.size() > kLongestValue) text = text.substr(0, kLongestValue) + "…";
  return text;
}

std::string range_text(const char* kind, Interval range) {
  return std::string(kind) + " in [" + number_text(range.low) + ", " + number_text(range.high) + "]";
}

}  // namespace

JsonNode JsonNode::child(const nlohmann::json* value, const std::string& step) const {
  const bool is_index = step.front() == '[';
  return {value, problems_, path_.empty() || is_index ? path_ + step : path_ + "." + step, silent_};
}

JsonNode JsonNode::at(const std::string& key) const {
  if (value_ != nullptr && value_->is_object()) {
    const auto found = value_->find(key);
    return child(found == value_->end() ? nullptr : &*found, key);
  }
  complain("an object");
  JsonNode nothing = child(nullptr, key);
  nothing.silent_ = true;
  return nothing;
}

JsonNode JsonNode::find(const std::string& key) const {
  JsonNode found = at(key);
  if (!found.present()) found.silent_ = true;
  return found;
}

void JsonNode::complain(const std::string& expected, const std::string& found) const {
  if (silent_) return;
  const std::string place = path_.empty() ? "the whole file" : path_;
  const std::string problem = value_ == nullptr
                                  ? place + ": missing, expected " + expected
                                  : place + ": expected " + expected + ", found " + (found.empty() ? describe(*value_) : found);
  // An object that is missing is asked for each of its members; it is told once.
  if (std::find(problems_->begin(), problems_->end(), problem) == problems_->end()) problems_->push_back(problem);
}

std::string JsonNode::text() const {
  if (present() && value_->is_string() && !value_->get_ref<const std::string&>().empty()) return value_->get<std::string>();
  complain("text");
  return {};
}

std::string JsonNode::choice(const std::vector<std::string>& supported) const {
  if (present() && value_->is_string() && std::find(supported.begin(), supported.end(), value_->get<std::string>()) != supported.end())
    return value_->get<std::string>();
  std::string expected;
  for (const std::string& one : supported) expected += (expected.empty() ? "\"" : " or \"") + one + "\"";
  complain(expected + " (what this version supports)");
  return {};
}

std::int64_t JsonNode::integer(Interval range) const {
  if (present() && value_->is_number_integer() && value_->get<double>() >= range.low && value_->get<double>() <= range.high)
    return value_->get<std::int64_t>();
  complain(range_text("a whole number", range));
  return 0;
}

double JsonNode::number(Interval range) const {
  if (present() && value_->is_number() && value_->get<double>() >= range.low && value_->get<double>() <= range.high)
    return value_->get<double>();
  complain(range_text("a number", range));
  return 0;
}

bool JsonNode::boolean() const {
  if (present() && value_->is_boolean()) return value_->get<bool>();
  complain("true or false");
  return false;
}

std::vector<JsonNode> JsonNode::items() const {
  std::vector<JsonNode> result;
  if (!present() || !value_->is_array()) {
    complain("a list");
    return result;
  }
  for (std::size_t i = 0; i < value_->size(); ++i) result.push_back(child(&(*value_)[i], "[" + std::to_string(i) + "]"));
  return result;
}

std::vector<std::pair<std::string, JsonNode>> JsonNode::members() const {
  std::vector<std::pair<std::string, JsonNode>> result;
  if (!present() || !value_->is_object()) {
    complain("an object");
    return result;
  }
  for (const auto& [key, value] : value_->items()) result.emplace_back(key, child(&value, key.empty() ? "\"\"" : key));
  return result;
}

std::vector<std::string> JsonNode::texts() const {
  std::vector<std::string> result;
  for (const JsonNode& item : items()) result.push_back(item.text());
  return result;
}

std::vector<double> JsonNode::numbers() const {
  std::vector<double> result;
  for (const JsonNode& item : items()) result.push_back(item.number({-1e30, 1e30}));
  return result;
}

nlohmann::json parse_json_file(const std::string& text, const std::string& path) {
  const auto fail = [&](const std::string& where, const std::string& found) {
    return UserError({.what = "the file is not valid JSON", .where = where, .found = found,
                      .fix = "restore the file from where the prior pack came from, or export the pack again"});
  };
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) throw fail(path, "an empty file");
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    const std::size_t end = std::min(error.byte == 0 ? 0 : error.byte - 1, text.size());
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), '\n');
    const std::size_t newline = end == 0 ? std::string::npos : text.rfind('\n', end - 1);
    const std::size_t column = newline == std::string::npos ? end + 1 : end - newline;
    const bool truncated = error.byte > text.size();
    throw fail(path + ":" + std::to_string(line) + ":" + std::to_string(column),
               truncated ? "the file ends in the middle: it is truncated" : "something that JSON does not allow here");
  } catch (const nlohmann::json::exception&) {  // a number beyond any double
    throw fail(path, "a number that is out of every range");
  }
}

std::string list_problems(const Problems& problems) {
  std::string list;
  for (std::size_t i = 0; i < std::min(problems.size(), kMostProblems); ++i) list += (i == 0 ? "" : "\n") + problems[i];
  if (problems.size() > kMostProblems) list += "\n… and " + std::to_string(problems.size() - kMostProblems) + " more";
  return list;
}

}  // namespace dreamfusion
