#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "config_refusal.h"

namespace dreamfusion {
namespace {

using testing::contains;
using testing::json_refusal;

/// {"a": {"b": value}} for "a.b".
std::string nested(const std::string& path, const std::string& value) {
  const std::size_t dot = path.find('.');
  if (dot == std::string::npos) return "{\"" + path + "\": " + value + "}";
  return "{\"" + path.substr(0, dot) + "\": " + nested(path.substr(dot + 1), value) + "}";
}

/// What every way of mistyping one character makes of the last part of `path`.
std::set<std::string> typing_errors(const std::string& path) {
  std::set<std::string> wrong;
  for (std::size_t i = path.rfind('.') + 1; i < path.size(); ++i) {
    wrong.insert(std::string(path).insert(i, "q"));
    wrong.insert(std::string(path).replace(i, 1, "q"));
    wrong.insert(std::string(path).erase(i, 1));
    if (i + 1 < path.size()) {
      std::string swapped = path;
      std::swap(swapped[i], swapped[i + 1]);
      wrong.insert(swapped);
    }
  }
  wrong.erase(path);
  return wrong;
}

TEST(Reader, OffersTheRightKeyForEveryTypingError) {
  // Two keys that differ in one character are equally near to what loses it.
  const std::set<std::string> ambiguous = {"optimizer.beta", "optimizer.betaq", "guidance.guidance_escale",
                                           "guidance.guidance_rscale"};
  std::size_t tried = 0;
  for (const std::string& key : config_keys()) {
    for (const std::string& wrong : typing_errors(key)) {
      if (ambiguous.contains(wrong)) continue;
      EXPECT_EQ(json_refusal(nested(wrong, "1")), "run: " + wrong + ": unknown option; did you mean " + key + "?");
      ++tried;
    }
  }
  EXPECT_GT(tried, 2000U);
}

TEST(Reader, OffersAKeyOfAnotherSection) {
  EXPECT_EQ(json_refusal(R"({"guidance_scale": 3})"),
            "run: guidance_scale: unknown option; did you mean guidance.guidance_scale?");
  EXPECT_EQ(json_refusal(R"({"camera": {"lambda_sds": 3}})"),
            "run: camera.lambda_sds: unknown option; did you mean loss.lambda_sds?");
  EXPECT_EQ(json_refusal(R"({"guidance.guidance_scale": 3})"),
            "run: guidance.guidance_scale: unknown option; did you mean guidance.guidance_scale?");
  EXPECT_EQ(json_refusal(R"({"entirely_different_things": 3})"), "run: entirely_different_things: unknown option");
  EXPECT_EQ(json_refusal(R"({"guidnce": {}})"), "run: guidnce: unknown option; did you mean guidance?");
}

struct WrongValue {
  const char* path;
  const char* value;
  const char* problem;
};

class ReaderRefuses : public ::testing::TestWithParam<WrongValue> {};

TEST_P(ReaderRefuses, WithPathAndReason) {
  const WrongValue& wrong = GetParam();
  EXPECT_EQ(json_refusal(nested(wrong.path, wrong.value)), std::string("run: ") + wrong.path + ": " + wrong.problem);
}

constexpr const char* kSchedule = "guidance.max_step_percent";
constexpr const char* kScheduleForm =
    "expected a number, [start_step, start_value, end_value, end_step] or a list of such quadruples, got ";

INSTANTIATE_TEST_SUITE_P(
    WrongKinds, ReaderRefuses,
    ::testing::Values(WrongValue{"guidance.view_dependent_prompting", "1", "expected true or false, got 1"},
                      WrongValue{"guidance.view_dependent_prompting", "\"true\"", "expected true or false, got \"true\""},
                      WrongValue{"iterations", "1.7", "expected an integer, got 1.7"},
                      WrongValue{"iterations", "\"3\"", "expected an integer, got \"3\""},
                      WrongValue{"iterations", "true", "expected an integer, got true"},
                      WrongValue{"iterations", "null", "expected an integer, got null"},
                      WrongValue{"iterations", "[3]", "expected an integer, got [3]"},
                      WrongValue{"guidance.guidance_scale", "\"7\"", "expected a number, got \"7\""},
                      WrongValue{"guidance.guidance_scale", "false", "expected a number, got false"},
                      WrongValue{"prompt", "3", "expected a text, got 3"},
                      WrongValue{"prompt", "[\"a\"]", "expected a text, got [\"a\"]"},
                      WrongValue{"field.hash.resolutions", "16", "expected a list, got 16"},
                      WrongValue{"field.hash.resolutions", "[16, 1.5]", "entry 1: expected an integer, got 1.5"},
                      WrongValue{"camera.distance", "2", "expected [low, high], got 2"},
                      WrongValue{"camera.distance", "[2]", "expected [low, high], got [2]"},
                      WrongValue{"camera.distance", "[2, \"3\"]", "expected a number, got \"3\""},
                      WrongValue{"camera", "3", "expected an object {…} of options, got 3"},
                      WrongValue{"camera", "[]", "expected an object {…} of options, got []"}));

INSTANTIATE_TEST_SUITE_P(
    OutOfRange, ReaderRefuses,
    ::testing::Values(WrongValue{"iterations", "0", "0 is not in 1 to 10000000"},
                      WrongValue{"guidance.guidance_scale", "-0.5", "-0.5 is not in 0 to 1000"},
                      WrongValue{"field.hash.resolutions", "[16, 2]", "entry 1: 2 is not in 4 to 1024"},
                      WrongValue{"camera.distance", "[0.01, 3]", "0.01 is not in 0.1 to 100"},
                      WrongValue{"camera.distance", "[3, 2]", "low is above high in [3, 2]"},
                      WrongValue{"seed", "9223372036854775808", "9223372036854775808 is too large for an integer"},
                      WrongValue{"seed", "99999999999999999999", "1e+20 is too large for an integer"},
                      WrongValue{"seed", "-1", "-1 is not in 0 to 9007199254740991"},
                      WrongValue{"guidance.weighting", "\"sigma\"",
                                 "\"sigma\" is none of sigma2, uniform, fantasia3d, x0; did you mean sigma2?"},
                      WrongValue{"guidance.weighting", "\"\"", "\"\" is none of sigma2, uniform, fantasia3d, x0"}));

INSTANTIATE_TEST_SUITE_P(
    Schedules, ReaderRefuses,
    ::testing::Values(WrongValue{kSchedule, "1.5", "1.5 is not in 0 to 1"},
                      WrongValue{kSchedule, "[0, 0.9, 1.5, 10]", "1.5 is not in 0 to 1"},
                      WrongValue{kSchedule, "[-5, 0.9, 0.5, 10]", "the moment -5 is before the start of the run"},
                      WrongValue{kSchedule, "[0, 0.9, 0.5, 10.0]",
                                 "the moment 10.0 is neither a fraction of the run (0.0 to 1.0) nor a step (a whole number "
                                 "without a point)"},
                      WrongValue{kSchedule, "[0, 0.9, 0.5, 1e17]", "the moment 1e+17 is too large"}));

TEST(Reader, SchedulesHaveOneForm) {
  for (const char* wrong : {"true", "\"0.5\"", "[]", "[0, 1, 1]", "{}", "[0.5]"}) {
    const std::string refusal = json_refusal(nested(kSchedule, wrong));
    EXPECT_TRUE(contains(refusal, std::string("run: ") + kSchedule + ": " + kScheduleForm)) << refusal;
  }
  EXPECT_TRUE(contains(json_refusal(nested(kSchedule, "[[0, 1, 1, 1], 5]")), kScheduleForm));
  EXPECT_TRUE(contains(json_refusal(nested(kSchedule, "[\"0\", 1, 1, 1]")), "expected a step or a fraction of the run"));
}

TEST(Reader, TakesWholeNumbersWithAPoint) {
  EXPECT_EQ(config_from_json(R"({"iterations": 3.0, "seed": 2e3})", "run").iterations, 3);
  EXPECT_EQ(config_from_json(R"({"iterations": 3.0, "seed": 2e3})", "run").seed, 2000);
  EXPECT_EQ(config_from_json(R"({"guidance": {"guidance_scale": 20}})", "run").guidance.guidance_scale, 20.0);
}

TEST(Reader, TellsAllProblemsAtOnce) {
  const std::string found = json_refusal(R"({"iterations": 1.7, "camera": {"distanze": 1, "up_std": 5}, "seed": "x"})");
  EXPECT_EQ(found,
            "run: seed: expected an integer, got \"x\"\n"
            "run: iterations: expected an integer, got 1.7\n"
            "run: camera.up_std: 5 is not in 0 to 1\n"
            "run: camera.distanze: unknown option; did you mean camera.distance?");
}

TEST(Reader, SyntaxErrorsHaveLineAndColumn) {
  EXPECT_TRUE(contains(json_refusal("{\n  \"seed\": 1,\n  \"iterations\" 3\n}"),
                       "run: no valid JSON: line 3, column 16: syntax error"));
  EXPECT_TRUE(contains(json_refusal(""), "no valid JSON: line 1, column 1: "));
  EXPECT_TRUE(contains(json_refusal("{} {}"), "no valid JSON: line 1, column 4: "));
  for (const char* number : {"nan", "NaN", "inf", "-Infinity", "+1", "0x10"}) {
    EXPECT_TRUE(contains(json_refusal(nested("guidance.guidance_scale", number)), "no valid JSON: line 1")) << number;
  }
  EXPECT_TRUE(contains(json_refusal(nested("guidance.guidance_scale", "1e999")), "no valid JSON: number overflow"));
  EXPECT_TRUE(contains(json_refusal("{\"prompt\": \"\xff\"}"), "no valid JSON: line 1"));
}

TEST(Reader, RefusesWhatIsNoObject) {
  for (const char* text : {"null", "[]", "3", "\"x\""}) {
    EXPECT_TRUE(contains(json_refusal(text), "run: expected an object {…} of options, got ")) << text;
  }
}

TEST(Reader, RefusesAKeyThatIsSetTwice) {
  EXPECT_EQ(json_refusal(R"({"seed": 1, "camera": {"up_std": 0, "distance": [1, 2], "up_std": 0}, "seed": 1})"),
            "run: camera.up_std: set twice in the same object\nrun: seed: set twice in the same object");
  // The same name in two sections is two options.
  EXPECT_EQ(json_refusal(R"({"camera": {"distance": [1, 2]}, "light": {"distance": [1, 2]}})"), "accepted");
}

TEST(Reader, CutsLongValues) {
  const std::string found = json_refusal(nested("iterations", "\"" + std::string(500, 'x') + "\""));
  EXPECT_LT(found.size(), 150U);
  EXPECT_TRUE(contains(found, "xxx…"));
}

TEST(Consistency, NoiseLevelsMustNotCross) {
  EXPECT_TRUE(contains(json_refusal(R"({"guidance": {"min_step_percent": 0.9, "max_step_percent": [0, 0.98, 0.5, 480]}})"),
                       "guidance.min_step_percent: 0.9 at step 479 is above guidance.max_step_percent, 0.501"));
  // They cross only in the middle of the run.
  EXPECT_TRUE(contains(json_refusal(R"({"guidance": {"min_step_percent": 0.3,
      "max_step_percent": [[0, 0.9, 0.2, 300], [400, 0.9, 0.9, 400]]}})"), "is above guidance.max_step_percent"));
  EXPECT_EQ(json_refusal(R"({"guidance": {"min_step_percent": [0, 0.9, 0.1, 300], "max_step_percent": 0.9}})"), "accepted");
}

TEST(Consistency, SchedulesRunForward) {
  EXPECT_TRUE(contains(json_refusal(R"({"iterations": 600, "loss": {"lambda_sds": [20, 1, 2, 10]}})"),
                       "loss.lambda_sds: with 600 iterations step 10 is an end before its start, step 20"));
  EXPECT_TRUE(contains(json_refusal(R"({"loss": {"lambda_sds": [[20, 1, 2, 30], [10, 1, 1, 10]]}})"),
                       "step 10 comes before the previous start, step 20"));
  // A step and a fraction can only be compared in a run of known length.
  const std::string mixed = R"("loss": {"lambda_sds": [100, 1, 2, 0.5]}})";
  EXPECT_EQ(json_refusal("{\"iterations\": 200, " + mixed), "accepted");
  EXPECT_TRUE(contains(json_refusal("{\"iterations\": 199, " + mixed), "step 99.5 is an end before its start, step 100"));
}

TEST(Consistency, WatchdogLimitsMustNotCross) {
  EXPECT_TRUE(contains(json_refusal(R"({"train": {"watchdog_min_opacity": 0.98}})"),
                       "train.watchdog_min_opacity: 0.98 is above train.watchdog_max_opacity, 0.97"));
}

TEST(Consistency, OptionsThatExcludeEachOtherAreBothNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"guidance": {"perp_neg": true, "view_dependent_prompting": false}})", "guidance.perp_neg=true and guidance.view_dependent_prompting=false"},
      {R"({"guidance": {"perp_neg": true, "negative_prompt": "ugly"}})", "guidance.perp_neg=true and guidance.negative_prompt"},
      {R"({"guidance": {"prompt_back": "its tail", "view_conditioning": "camera"}})", "_overhead and guidance.view_conditioning=camera"},
      {R"({"guidance": {"view_blending": "interpolate", "view_dependent_prompting": false}})", "guidance.view_blending=interpolate and"},
      {R"({"guidance": {"guidance_rescale": 0.5, "dynamic_threshold": 99.5}})", "guidance.guidance_rescale and guidance.dynamic_threshold"},
      {R"({"loss": {"lambda_tv": 0.1}, "field": {"type": "mlp"}})", "loss.lambda_tv and field.type=mlp"},
      {R"({"loss": {"lambda_tv": [0, 0, 1, 5]}, "field": {"type": "mlp"}})", "loss.lambda_tv and field.type=mlp"},
      {R"({"optimizer": {"type": "shampoo"}})", "optimizer.type=shampoo and field.type=hash"},
      {R"({"guidance": {"timestep_schedule": "sqrt"}})", "guidance.timestep_schedule=sqrt and a schedule in guidance.max_step_percent"},
      {R"({"guidance": {"front_threshold_deg": 120, "back_threshold_deg": 90}})", "guidance.front_threshold_deg and guidance.back_threshold_deg"},
      {R"({"guidance": {"negative_prompt": "ugly", "guidance_scale": 0}})", "guidance.negative_prompt and guidance.guidance_scale=0"},
      {R"({"render": {"sampling": "proposal"}, "loss": {"lambda_interlevel": 0}})", "render.sampling=proposal and loss.lambda_interlevel=0"},
      {R"({"light": {"soft": true, "ambient": 0.2}})", "light.soft=true and light.ambient or light.diffuse"},
      {R"({"optimizer": {"weight_decay": 0.1}})", "optimizer.weight_decay and optimizer.type=adam"}};
  for (const auto& [json, both] : cases) {
    EXPECT_TRUE(contains(json_refusal(json), both)) << json << ": " << json_refusal(json);
    EXPECT_TRUE(contains(json_refusal(json), "cannot be combined")) << json;
  }
  EXPECT_EQ(json_refusal(R"({"optimizer": {"type": "shampoo"}, "field": {"type": "mlp"}})"), "accepted");
  EXPECT_EQ(json_refusal(R"({"guidance": {"timestep_schedule": "sqrt", "max_step_percent": 0.98}})"), "accepted");
}

}  // namespace
}  // namespace dreamfusion
