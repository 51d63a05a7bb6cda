#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "config_refusal.h"

namespace dreamfusion {
namespace {

using nlohmann::ordered_json;

/// "a.b" → /a/b
ordered_json::json_pointer pointer(std::string path) {
  std::replace(path.begin(), path.end(), '.', '/');
  return ordered_json::json_pointer("/" + path);
}

std::string reread(const std::string& text) { return config_to_json(config_from_json(text, "run")); }

/// Values near `value` of the same kind, of which some are in range.
std::vector<ordered_json> neighbours(const ordered_json& value) {
  if (value.is_boolean()) return {!value.get<bool>()};
  if (value.is_number_integer()) return {value.get<std::int64_t>() + 1, value.get<std::int64_t>() - 1};
  if (value.is_number()) return {value.get<double>() * 0.75, value.get<double>() + 0.25, value.get<double>() + 0.0625};
  if (value.is_string()) {
    return {"a new text", "exp", "none", "environment", "uniform", "words", "mlp", "analytic", "focal", "cone", "proposal",
            "reconstruction", "sqrt", "interpolate", "sum", "all", "adan", "bfloat16", "mean", "float32", "aot_inductor", "stl", "center", "z"};
  }
  std::vector<ordered_json> lists;
  for (std::size_t i = 0; i < value.size(); ++i) {
    for (const ordered_json& entry : neighbours(value[i])) {
      lists.push_back(value);
      lists.back()[i] = entry;
    }
  }
  return lists;
}

/// By how much flatten() counts more than one leaf an option: lists fall apart into their entries.
std::size_t entries_of_lists(const ordered_json& value) {
  if (value.is_array()) return value.flatten().size() - 1;
  std::size_t sum = 0;
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) sum += entries_of_lists(member);
  }
  return sum;
}

TEST(RoundTrip, DefaultsSurvive) {
  const std::string text = config_to_json(Config{});
  EXPECT_EQ(reread(text), text);
  EXPECT_EQ(config_to_json(load_config({})), text);
}

TEST(RoundTrip, TheWriterNamesEveryKeyAndNoOther) {
  const ordered_json written = ordered_json::parse(config_to_json(Config{}));
  EXPECT_EQ(config_keys().size(), written.flatten().size() - entries_of_lists(written));
  for (const std::string& key : config_keys()) EXPECT_TRUE(written.contains(pointer(key))) << key;
}

// A changed option comes back changed, and nothing else changes with it: no option is read or written as another.
TEST(RoundTrip, EveryKeyCarriesItsOwnValue) {
  const ordered_json defaults = ordered_json::parse(config_to_json(Config{}));
  const std::vector<std::string> fixed = {"optimizer.weight_decay", "guidance.timestep_schedule"};  // refused beside other defaults
  for (const std::string& key : config_keys()) {
    bool accepted = false;
    for (const ordered_json& changed : neighbours(defaults.at(pointer(key)))) {
      ordered_json edited = defaults;
      edited[pointer(key)] = changed;
      if (edited == defaults || testing::json_refusal(edited.dump()) != "accepted") continue;
      EXPECT_TRUE(ordered_json::parse(reread(edited.dump())) == edited) << key << " = " << changed;
      accepted = true;
    }
    EXPECT_EQ(accepted, std::find(fixed.begin(), fixed.end(), key) == fixed.end()) << key;
  }
}

TEST(RoundTrip, FractionsAndStepsStayApart) {
  for (const char* schedule : {"[1.0, 0.25, 0.5, 1.0]", "[1, 0.25, 0.5, 1]", "[0, 0.0, 0.0, 5]", "0.5",
                               "[[0.0, 0.9, 0.9, 0.0], [0.5, 0.7, 0.5, 1.0]]"}) {
    const Config config = load_config({{}, {std::string("guidance.max_step_percent=") + schedule, "min_step_percent=0"}});
    const ordered_json written = ordered_json::parse(config_to_json(config));
    EXPECT_EQ(written["guidance"]["max_step_percent"].dump(), ordered_json::parse(schedule).dump());
    EXPECT_EQ(config_from_json(config_to_json(config), "run").guidance.max_step_percent, config.guidance.max_step_percent);
  }
  const Config one = load_config({{}, {"loss.lambda_sds=[1, 5, 6, 1.0]"}});
  EXPECT_EQ(one.loss.lambda_sds.segments()[0].start, (Moment{1, false}));
  EXPECT_EQ(one.loss.lambda_sds.segments()[0].end, (Moment{1, true}));
}

TEST(RoundTrip, NumbersKeepEveryBit) {
  Config config;
  config.optimizer.epsilon = 1.0 / 3.0 * 1e-10;
  config.camera.distance = {0.1 + 0.2, 2.0 / 3.0};
  config.seed = 9007199254740991;
  config.prompt = "\"quotes\", \\ and\nlines, 蘑菇";
  const Config back = config_from_json(config_to_json(config), "run");
  EXPECT_EQ(back.optimizer.epsilon, config.optimizer.epsilon);
  EXPECT_EQ(back.camera.distance, config.camera.distance);
  EXPECT_EQ(back.seed, config.seed);
  EXPECT_EQ(back.prompt, config.prompt);
}

TEST(RoundTrip, WritesAnyPrompt) {
  Config config;
  config.prompt = "not UTF-8: \xff";
  EXPECT_EQ(config_from_json(config_to_json(config), "run").prompt, "not UTF-8: \xef\xbf\xbd");
}

TEST(Help, HasOneAlignedLineForEachOption) {
  const std::string help = config_help();
  std::size_t column = 0;
  for (const std::string& key : config_keys()) {
    const std::size_t start = help.find("\n  " + key + " ");
    ASSERT_NE(start, std::string::npos) << key;
    const std::string line = help.substr(start + 1, help.find('\n', start + 1) - start - 1);
    const std::size_t kind = line.find_first_not_of(' ', line.find(' ', 2));
    if (column == 0) column = kind;
    EXPECT_EQ(kind, column) << line;
  }
  for (const char* part : {"guidance: score distillation from the prior\n", "number", "8.0", "0 to 1000", "sigma2|uniform",
                           "ω of DreamFusion", "schedule", "list of integers"}) {
    EXPECT_TRUE(testing::contains(help, part)) << part;
  }
  const auto lines = static_cast<std::size_t>(std::count(help.begin(), help.end(), '\n'));
  EXPECT_EQ(lines, config_keys().size() + 18 + 17);  // 18 headings, 17 empty lines between them
}

}  // namespace
}  // namespace dreamfusion
