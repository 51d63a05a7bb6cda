#include "dreamfusion/config/load.h"

#include <gtest/gtest.h>

#include "config_refusal.h"
#include "testing/temporary_folder.h"
#include "testing/text_files.h"

namespace dreamfusion {
namespace {

using testing::contains;
using testing::override_refusal;

class ConfigFiles : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder_.path() / name).parent_path());
    testing::write_text(folder_.path() / name, text);
    return folder_.path() / name;
  }
  static std::string refusal(const ConfigSources& sources) {
    return testing::config_refusal([&] { load_config(sources); });
  }
  testing::TemporaryFolder folder_;
};

TEST_F(ConfigFiles, LaterOnesWinAndOverridesWinOverAll) {
  const auto first = write("a.json", R"({"seed": 1, "iterations": 10, "loss": {"lambda_sds": 2, "lambda_orient": 3}})");
  const auto second = write("b.json", R"({"iterations": 20, "loss": {"lambda_orient": 4}})");
  const Config config = load_config({{first, second}, {"loss.lambda_orient=5", "loss.lambda_orient=6"}});
  EXPECT_EQ(config.seed, 1);
  EXPECT_EQ(config.iterations, 20);
  EXPECT_EQ(config.loss.lambda_sds, ScheduledValue(2.0));
  EXPECT_EQ(config.loss.lambda_orient, ScheduledValue(6.0));
  EXPECT_EQ(config.guidance.guidance_scale, Config{}.guidance.guidance_scale);
}

TEST(ShippedConfigs, BaseIsTheDefault) {
  const auto base = std::filesystem::path(DREAMFUSION_SOURCE_DIR) / "configs" / "base.json";
  EXPECT_EQ(config_to_json(load_config({{base}, {}})), config_to_json(Config{}));
}

TEST(ShippedConfigs, EachResolvesAlone) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(DREAMFUSION_SOURCE_DIR "/configs")) {
    if (entry.path().extension() != ".json") continue;
    EXPECT_NO_THROW(load_config({{entry.path()}, {}})) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 9);
}

TEST_F(ConfigFiles, MayHaveComments) {
  const auto file = write("a.json", "// what\n{ /* why */ \"seed\": 7, // not \"seed\": 8\n \"prompt\": \"a // b\" }\n");
  EXPECT_EQ(load_config({{file}, {}}).seed, 7);
  EXPECT_EQ(load_config({{file}, {}}).prompt, "a // b");
}

TEST_F(ConfigFiles, ExtendOthersBesideThem) {
  write("base.json", R"({"seed": 1, "iterations": 10, "threads": 3})");
  write("sub/middle.json", R"({"iterations": 20, "extends": "../base.json", "threads": 4})");
  const auto top = write("top.json", R"({"extends": "sub/middle.json", "threads": 5})");
  const Config config = load_config({{top}, {}});
  EXPECT_EQ(config.seed, 1);
  EXPECT_EQ(config.iterations, 20);
  EXPECT_EQ(config.threads, 5);
}

TEST_F(ConfigFiles, MayExtendTheSameFileTwiceButNotThemselves) {
  const auto base = write("base.json", R"({"seed": 1})");
  const auto a = write("a.json", R"({"extends": "base.json"})");
  EXPECT_EQ(load_config({{a, base, a}, {}}).seed, 1);

  const auto circle = write("one.json", R"({"extends": "./two.json"})");
  write("two.json", R"({"extends": "one.json"})");
  EXPECT_TRUE(contains(refusal({{circle}, {}}), "extends itself: one.json -> two.json -> one.json"));
}

TEST_F(ConfigFiles, TheOriginOfEachProblemIsNamed) {
  const auto base = write("base.json", R"({"seed": -1})");
  const auto top = write("top.json", R"({"extends": "base.json", "iterations": 1.5})");
  EXPECT_EQ(refusal({{top}, {"threads=x"}}),
            base.string() + ": seed: -1 is not in 0 to 9007199254740991\n" + top.string() +
                ": iterations: expected an integer, got 1.5\ncommand line: threads: expected an integer, got \"x\"");
}

TEST_F(ConfigFiles, MustBeThereAndReadable) {
  EXPECT_TRUE(contains(refusal({{folder_.path() / "none.json"}, {}}), "none.json: cannot be read: the file does not exist"));
  EXPECT_TRUE(contains(refusal({{folder_.path()}, {}}), ": cannot be read: it is a folder"));
  const auto top = write("top.json", R"({"extends": "none.json"})");
  EXPECT_TRUE(contains(refusal({{top}, {}}), "none.json: cannot be read: the file does not exist"));
  const auto wrong = write("wrong.json", R"({"extends": ["a", "b"]})");
  EXPECT_TRUE(contains(refusal({{wrong}, {}}), "wrong.json: extends: expected the name of one file, got [\"a\", \"b\"]"));
  const auto broken = write("broken.json", "{\n\"seed\": }");
  EXPECT_TRUE(contains(refusal({{broken}, {}}), "broken.json: no valid JSON: line 2, column 9: "));
}

TEST_F(ConfigFiles, TheMessageSaysWhereToLook) {
  try {
    load_config({{}, {"sead=1"}});
    FAIL() << "accepted";
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(),
                 "the configuration has a problem\n  found: command line: sead: unknown option; did you mean seed?\n"
                 "  fix:   dreamfusion --help-config lists every option with its kind, default and range");
  }
}

TEST(Overrides, TakeEveryKind) {
  const Config config = load_config({{},
                                     {"guidance.guidance_scale=20", "guidance.view_dependent_prompting=false",
                                      "field.hash.resolutions=[8, 16]", "camera.distance=[2,4]",
                                      "loss.lambda_sds=[0.0, 1, 2, 1.0]", "guidance.weighting=uniform", "seed=3"}});
  EXPECT_EQ(config.guidance.guidance_scale, 20.0);
  EXPECT_FALSE(config.guidance.view_dependent_prompting);
  EXPECT_EQ(config.field.hash.resolutions, (std::vector<std::int64_t>{8, 16}));
  EXPECT_EQ(config.camera.distance, (Interval{2, 4}));
  EXPECT_EQ(config.loss.lambda_sds.at(300, 600), 1.5);
  EXPECT_EQ(config.guidance.weighting, "uniform");
  EXPECT_EQ(config.seed, 3);
}

TEST(Overrides, TextNeedsNoQuotes) {
  const auto prompt = [](const std::string& value) { return load_config({{}, {"prompt=" + value}}).prompt; };
  EXPECT_EQ(prompt("a red mug, a = b"), "a red mug, a = b");
  EXPECT_EQ(prompt("\"a\\tb\""), "a\tb");
  EXPECT_EQ(prompt("\"half"), "\"half");
  EXPECT_EQ(prompt("3"), "3");
  EXPECT_EQ(prompt("null"), "null");
  EXPECT_EQ(prompt(""), "");
  EXPECT_TRUE(contains(override_refusal({"prompt=\xff"}), "prompt: the text is not valid UTF-8"));
}

TEST(Overrides, DashesAreUnderscoresAndAUniqueNameIsEnough) {
  EXPECT_EQ(load_config({{}, {"guidance.guidance-scale=20"}}).guidance.guidance_scale, 20.0);
  EXPECT_EQ(load_config({{}, {"guidance-scale=21"}}).guidance.guidance_scale, 21.0);
  EXPECT_EQ(load_config({{}, {"frames=7"}}).turntable.frames, 7);
  EXPECT_EQ(override_refusal({"distance=[2, 3]"}),
            "command line: distance: this name has several options: camera.distance, light.distance, turntable.distance");
  // Only whole names count.
  EXPECT_EQ(override_refusal({"scale=3"}), "command line: scale: unknown option");
}

TEST(Overrides, ASectionsNameSetsItsType) {
  EXPECT_EQ(load_config({{}, {"field=mlp"}}).field.type, "mlp");
  EXPECT_EQ(load_config({{}, {"background=environment"}}).background.type, "environment");
  EXPECT_EQ(load_config({{}, {"field=mlp", "optimizer=shampoo"}}).optimizer.type, "shampoo");
  EXPECT_TRUE(contains(override_refusal({"field=voxels"}), "field.type: \"voxels\" is none of hash, mlp"));
}

TEST(Overrides, EveryKeyIsUnderstood) {
  for (const std::string& key : config_keys()) {
    EXPECT_TRUE(contains(override_refusal({key + "={}"}), "command line: " + key + ": ") ||
                override_refusal({key + "={}"}) == "accepted") << key;
    EXPECT_FALSE(contains(override_refusal({key + "={}"}), "unknown option")) << key;
  }
}

TEST(Overrides, RefuseWhatTheyDoNotUnderstand) {
  EXPECT_EQ(override_refusal({"guidance_scale"}), "command line: guidance_scale: expected key=value");
  EXPECT_EQ(override_refusal({"=3"}), "command line: =3: expected key=value");
  EXPECT_EQ(override_refusal({"guidence_scale=3"}),
            "command line: guidence_scale: unknown option; did you mean guidance.guidance_scale?");
  EXPECT_EQ(override_refusal({"guidence.guidance_scale=3"}),
            "command line: guidence.guidance_scale: unknown option; did you mean guidance.guidance_scale?");
  EXPECT_TRUE(contains(override_refusal({"camera={}"}), "camera: this is a section; set one of its options"));
  EXPECT_EQ(override_refusal({"seed=1.7"}), "command line: seed: expected an integer, got 1.7");
  EXPECT_EQ(override_refusal({"seed=one"}), "command line: seed: expected an integer, got \"one\"");
  EXPECT_EQ(override_refusal({"seed="}), "command line: seed: expected an integer, got \"\"");
  EXPECT_EQ(override_refusal({"guidance_scale=nan"}),
            "command line: guidance.guidance_scale: expected a number, got \"nan\"");
  EXPECT_TRUE(contains(override_refusal({"guidance_scale=1e999"}), "guidance.guidance_scale: expected a number"));
  EXPECT_TRUE(contains(override_refusal({"seed=1", "iterations=0", "sede=1"}), "\ncommand line: sede: unknown option"));
}

}  // namespace
}  // namespace dreamfusion
