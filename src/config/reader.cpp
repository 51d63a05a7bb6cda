#include "reader.h"

#include <algorithm>
#include <functional>
#include <set>

#include "dreamfusion/core/text.h"
#include "option_list.h"

namespace dreamfusion {
namespace {

class Reader {
 public:
  Reader(const Json& json, std::string origin, Problems& problems)
      : json_(&json), origin_(std::move(origin)), problems_(problems) {}

  /// Reads one struct: its options by `visit`, then whatever is left over is unknown.
  template <class Section>
  void read(Section& members) {
    names_.clear();
    members.visit(*this);
    for (const auto& [key, value] : json_->items()) {
      if (std::find(names_.begin(), names_.end(), key) == names_.end()) report_unknown(key);
    }
  }

  template <class Section>
  void section(const std::string& name, Section& members, const std::string&) {
    const Json* entry = find(name);
    if (entry == nullptr) return;
    if (!entry->is_object()) return report(name, "expected an object {…} of options, got " + json_text(*entry));
    Reader inner(*entry, origin_, problems_);
    inner.prefix_ = prefix_ + name + ".";
    inner.read(members);
  }

  template <class Value>
  void option(const std::string& name, Value& value, const std::string&, const Range& range = {}) {
    const Json* entry = find(name);
    if (entry == nullptr) return;
    try {
      read_value(*entry, value, range);
    } catch (const ValueProblem& problem) {
      report(name, problem.what());
    }
  }

  void choice(const std::string& name, std::string& value, const std::string& help,
              const std::vector<std::string>& choices) {
    std::string chosen = value;
    option(name, chosen, help);
    if (chosen == value) return;
    if (std::find(choices.begin(), choices.end(), chosen) != choices.end()) {
      value = chosen;
      return;
    }
    std::string list;
    for (const std::string& known : choices) list += (list.empty() ? "" : ", ") + known;
    report(name, json_text(chosen) + " is none of " + list + suggestion(nearest_match(chosen, choices)));
  }

 private:
  /// The entry of that name; every name that is asked for is a known one.
  const Json* find(const std::string& name) {
    names_.push_back(name);
    const auto entry = json_->find(name);
    return entry == json_->end() ? nullptr : &*entry;
  }

  void report(const std::string& name, const std::string& problem) {
    problems_.push_back(origin_ + ": " + prefix_ + name + ": " + problem);
  }

  void report_unknown(const std::string& key) {
    const std::string nearest = nearest_match(key, names_);
    report(key, "unknown option" + suggestion(nearest.empty() ? elsewhere(key) : prefix_ + nearest));
  }

  /// An option of another section with that name, or nearly.
  static std::string elsewhere(const std::string& key) {
    std::vector<std::string> leaves, paths;
    for (const SectionInfo& section : list_options()) {
      for (const OptionInfo& option : section.options) {
        paths.push_back(option.path);
        leaves.push_back(leaf_of(option.path));
      }
    }
    const std::string leaf = nearest_match(key, leaves);
    if (leaf.empty()) return nearest_match(key, paths);
    return paths[static_cast<std::size_t>(std::find(leaves.begin(), leaves.end(), leaf) - leaves.begin())];
  }

  const Json* json_;
  std::string origin_;
  Problems& problems_;
  std::string prefix_;
  std::vector<std::string> names_;
};

/// Sees the keys of every object as they are parsed: in the finished value the second would have replaced the first.
class DuplicateKeys {
 public:
  DuplicateKeys(std::string origin, Problems& problems) : origin_(std::move(origin)), problems_(problems) {}

  bool operator()(int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) objects_.emplace_back();
    if (event == Json::parse_event_t::object_end) objects_.pop_back();
    if (event == Json::parse_event_t::key) add(parsed.get<std::string>());
    return true;
  }

 private:
  struct Object {
    std::set<std::string> keys;
    std::string current;
  };

  void add(const std::string& key) {
    objects_.back().current = key;
    if (objects_.back().keys.insert(key).second) return;
    std::string path;
    for (const Object& object : objects_) path += (path.empty() ? "" : ".") + object.current;
    problems_.push_back(origin_ + ": " + path + ": set twice in the same object");
  }

  std::vector<Object> objects_;
  std::string origin_;
  Problems& problems_;
};

/// What is behind `head`, or the whole text.
std::string behind(const std::string& text, std::string_view head) {
  const std::size_t start = text.find(head);
  return start == std::string::npos ? text : text.substr(start + head.size());
}

/// "line 2, column 3: …". Counted here: the library says column 0 where a token ends its line.
std::string syntax_message(const std::string& text, const Json::parse_error& error) {
  const std::string before = text.substr(0, error.byte > 0 ? error.byte - 1 : 0);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t column = before.size() - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
  return "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " +
         behind(behind(error.what(), ", column "), ": ");
}

}  // namespace

std::string suggestion(const std::string& nearest) { return nearest.empty() ? "" : "; did you mean " + nearest + "?"; }

std::optional<Json> parse_json(const std::string& text, const std::string& origin, Problems& problems) {
  Problems duplicates;
  DuplicateKeys watch(origin, duplicates);
  try {
    Json json = Json::parse(text, std::ref(watch), /*allow_exceptions=*/true, /*ignore_comments=*/true);
    problems.insert(problems.end(), duplicates.begin(), duplicates.end());
    if (duplicates.empty()) return json;
  } catch (const Json::parse_error& error) {
    problems.push_back(origin + ": no valid JSON: " + syntax_message(text, error));
  } catch (const Json::out_of_range& error) {  // a number such as 1e999
    problems.push_back(origin + ": no valid JSON: " + behind(error.what(), "] "));
  }
  return std::nullopt;
}

void apply_json(const Json& json, const std::string& origin, Config& config, Problems& problems) {
  if (!json.is_object()) {
    problems.push_back(origin + ": expected an object {…} of options, got " + json_text(json));
    return;
  }
  Reader(json, origin, problems).read(config);
}

}  // namespace dreamfusion
