#include "manifest.h"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "dreamfusion/core/error.h"
#include "dreamfusion/io/files.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

using Json = nlohmann::json;

const Json& valid() {
  static const Json manifest = [] {
    const testing::TemporaryFolder folder;
    return Json::parse(read_file(testing::write_tiny_prior_pack(folder.path() / "pack") / "prior.json"));
  }();
  return manifest;
}

std::string fault_of_text(const std::string& text) {
  try {
    parse_manifest(text, "/packs/p/prior.json");
  } catch (const UserError& error) {
    EXPECT_FALSE(error.fault().fix.empty());
    EXPECT_NE(error.fault().where.find("/packs/p/prior.json"), std::string::npos);
    return error.what();
  }
  return "no fault";
}

struct Mutation {
  std::string name;
  std::function<void(Json&)> edit;
  std::string expected;  ///< must be in the message
};

TEST(Manifest, ReadsAValidOne) {
  const PriorManifest m = parse_manifest(valid().dump(), "p");
  EXPECT_EQ(m.name, "tiny");
  EXPECT_EQ(m.resolution, 8);
  EXPECT_EQ(m.prediction, Prediction::kV);
  EXPECT_EQ(m.alphas_cumprod.size(), 1000u);
  EXPECT_TRUE(m.words_conditioning && m.camera_input == CameraInput::kAngles);
  EXPECT_EQ(m.view_phrases.at("back"), ", back view");
  EXPECT_EQ(m.unet_file, "unet.pt");
  EXPECT_EQ(m.evaluation->kinds[1].main_part, "cap");
  EXPECT_TRUE(m.evaluation->kinds[1].has_front);
  EXPECT_EQ(m.evaluation->held_out.at(0), (std::pair<std::string, std::string>{"red", "mushroom"}));
  EXPECT_EQ(m.golden.token_ids.size(), 12u);
  EXPECT_EQ(m.sha256.size(), 5u);
}

TEST(Manifest, UnknownMembersAreLeftAlone) {
  Json manifest = valid();
  manifest["training"] = {{"steps", 3}};
  EXPECT_EQ(fault_of_text(manifest.dump()), "no fault");
}

TEST(Manifest, EveryMissingMemberIsNamed) {
  for (const char* path : {"/name", "/version", "/license", "/description", "/space", "/resolution", "/channels", "/prediction",
                           "/num_timesteps", "/alphas_cumprod", "/dtype", "/text", "/text/tokenizer", "/text/files/vocabulary",
                           "/text/context_length", "/text/pad_id", "/text/unknown_id", "/text/embedding_width", "/view_conditioning",
                           "/view_phrases", "/view_phrases/side", "/modules", "/modules/unet", "/modules/unet/file",
                           "/modules/unet/inputs", "/modules/text_encoder/outputs", "/evaluation/scorer/file", "/evaluation/colours",
                           "/evaluation/kinds/0/name", "/sha256", "/sha256/unet.pt", "/sha256/shapes.bin", "/golden", "/golden/prompt",
                           "/golden/token_ids", "/golden/camera", "/golden/prediction/first", "/golden/tolerance", "/format_version"}) {
    Json manifest = valid();
    const Json::json_pointer pointer(path);
    manifest.at(pointer.parent_pointer()).erase(pointer.back());
    std::string dotted = std::string(path).substr(1);
    std::replace(dotted.begin(), dotted.end(), '/', '.');
    if (const auto index = dotted.find(".0."); index != std::string::npos) dotted.replace(index, 3, "[0].");
    const std::string fault = fault_of_text(manifest.dump());
    EXPECT_NE(fault.find(dotted + ": missing, expected"), std::string::npos) << path << "\n" << fault;
    EXPECT_EQ(fault.find(dotted + ": "), fault.rfind(dotted + ": ")) << "told twice: " << fault;
  }
}

TEST(Manifest, EveryWrongValueIsExplained) {
  const std::vector<Mutation> mutations = {
      {"space", [](Json& m) { m["space"] = "wavelets"; }, "space: expected \"pixel\" or \"latent\" (what this version supports), found \"wavelets\""},
      {"prediction", [](Json& m) { m["prediction"] = "x0"; }, "\"epsilon\" or \"v\" or \"sample\""},
      {"dtype", [](Json& m) { m["dtype"] = "int8"; }, "dtype: expected \"float32\" or \"float16\" or \"bfloat16\""},
      {"tokenizer", [](Json& m) { m["text"]["tokenizer"] = "clip"; }, "text.tokenizer: expected \"words\" or \"tokenizer_json\" or \"precomputed\""},
      {"real resolution", [](Json& m) { m["resolution"] = 64.5; }, "resolution: expected a whole number"},
      {"text resolution", [](Json& m) { m["resolution"] = "64"; }, "found \"64\""},
      {"negative", [](Json& m) { m["text"]["context_length"] = -1; }, "text.context_length: expected a whole number in [1, 4096], found -1"},
      {"huge", [](Json& m) { m["resolution"] = 18446744073709551615u; }, "resolution: expected"},
      {"channels", [](Json& m) { m["channels"] = 4; }, "channels: expected a whole number in [3, 3], found 4"},
      {"rising", [](Json& m) { m["alphas_cumprod"][7] = m["alphas_cumprod"][6]; }, "alphas_cumprod[7]: expected a number above 0 and below 0.99"},
      {"zero", [](Json& m) { m["alphas_cumprod"][999] = 0; }, "alphas_cumprod[999]"},
      {"one", [](Json& m) { m["alphas_cumprod"][0] = 1.0; }, "alphas_cumprod[0]"},
      {"text in table", [](Json& m) { m["alphas_cumprod"][3] = "x"; }, "alphas_cumprod[3]"},
      {"short table", [](Json& m) { m["alphas_cumprod"].erase(999); }, "alphas_cumprod: expected 1000 numbers (num_timesteps), found 999"},
      {"table kind", [](Json& m) { m["alphas_cumprod"] = 0.5; }, "alphas_cumprod: expected a list, found 0.5"},
      {"view way", [](Json& m) { m["view_conditioning"] = {"words", "mirror"}; }, "view_conditioning[1]: expected \"words\" or \"camera\" or \"camera_matrix\""},
      {"input shape", [](Json& m) { m["modules"]["unet"]["inputs"][0]["shape"][2] = 9; }, "modules.unet.inputs[0].shape: expected [\"B\",3,8,8]"},
      {"input type", [](Json& m) { m["modules"]["unet"]["inputs"][1]["dtype"] = "float32"; }, "modules.unet.inputs[1].dtype: expected \"int64\""},
      {"input gone", [](Json& m) { m["modules"]["unet"]["inputs"].erase(3); }, "modules.unet.inputs: expected 4 entries"},
      {"output", [](Json& m) { m["modules"]["text_encoder"]["outputs"][0]["shape"][2] = 6; }, "modules.text_encoder.outputs[0].shape"},
      {"camera undeclared", [](Json& m) { m["view_conditioning"] = {"words"}; }, "modules.unet.inputs: expected 3 entries"},
      {"file above", [](Json& m) { m["modules"]["unet"]["file"] = "../unet.pt"; }, "modules.unet.file: expected a file inside the pack's folder"},
      {"file absolute", [](Json& m) { m["text"]["files"]["vocabulary"] = "/etc/passwd"; }, "text.files.vocabulary: expected a file inside"},
      {"file hidden above", [](Json& m) { m["evaluation"]["scorer"]["file"] = "a/../../b"; }, "evaluation.scorer.file: expected a file inside"},
      {"folder", [](Json& m) { m["modules"]["unet"]["file"] = "unet/"; }, "modules.unet.file: expected a file inside"},
      {"digest above", [](Json& m) { m["sha256"]["../../key"] = std::string(64, 'a'); }, "inside the pack's folder"},
      {"digest length", [](Json& m) { m["sha256"]["unet.pt"] = "abc"; }, "sha256.unet.pt: expected 64 lower-case hex digits"},
      {"digest letters", [](Json& m) { m["sha256"]["unet.pt"] = std::string(64, 'g'); }, "sha256.unet.pt"},
      {"golden time", [](Json& m) { m["golden"]["t"] = 1000; }, "golden.t: expected a whole number in [0, 999]"},
      {"golden ids", [](Json& m) { m["golden"]["token_ids"].erase(0); }, "golden.token_ids: expected 12 token ids"},
      {"golden camera", [](Json& m) { m["golden"]["camera"] = {0, 0}; }, "golden.camera: expected [azimuth"},
      {"tolerance", [](Json& m) { m["golden"]["tolerance"] = 0; }, "golden.tolerance"},
      {"held out", [](Json& m) { m["evaluation"]["held_out"][0] = {"red"}; }, "evaluation.held_out[0]: expected [colour, kind]"},
      {"kind words", [](Json& m) { m["evaluation"]["kinds"][0]["words"] = "sphere"; }, "evaluation.kinds[0].words: expected a list"},
      {"null", [](Json& m) { m["text"] = nullptr; }, "text: expected an object, found null"},
      {"old version", [](Json& m) { m["format_version"] = 0; }, "format_version: expected"}};
  for (const Mutation& mutation : mutations) {
    Json manifest = valid();
    mutation.edit(manifest);
    const std::string fault = fault_of_text(manifest.dump());
    EXPECT_NE(fault.find(mutation.expected), std::string::npos) << mutation.name << ": " << fault;
  }
}

TEST(Manifest, AllProblemsAreToldAtOnce) {
  Json manifest = valid();
  manifest["space"] = "wavelets";
  manifest["resolution"] = 0;
  manifest["golden"].erase("prompt");
  const std::string fault = fault_of_text(manifest.dump());
  for (const char* part : {"space: ", "resolution: ", "golden.prompt: "}) EXPECT_NE(fault.find(part), std::string::npos) << fault;
}

TEST(Manifest, TextThatIsNoJsonIsShownByLineAndColumn) {
  EXPECT_NE(fault_of_text("{\n  \"a\": 1,\n  oops\n}").find("prior.json:3:3"), std::string::npos) << fault_of_text("{\n  \"a\": 1,\n  oops\n}");
  EXPECT_NE(fault_of_text("").find("empty"), std::string::npos);
  EXPECT_NE(fault_of_text(std::string(300, '\0')).find("prior.json:1:1"), std::string::npos);
  EXPECT_NE(fault_of_text("{\"a\": 1e999}").find("range"), std::string::npos);
  EXPECT_NE(fault_of_text("\xff\xfe").find("prior.json:1:1"), std::string::npos);
}

TEST(Manifest, EveryTruncationIsAFault) {
  const std::string text = valid().dump(1);
  for (std::size_t length = 0; length < text.size(); length += 97) {
    const std::string fault = fault_of_text(text.substr(0, length));
    EXPECT_TRUE(fault.find("truncated") != std::string::npos || fault.find("empty") != std::string::npos) << length << ": " << fault;
  }
}

TEST(Manifest, OtherFormatsAndNewerVersionsAreToldAlone) {
  Json manifest = valid();
  manifest["format_version"] = 3;
  manifest["space"] = "latent";
  EXPECT_NE(fault_of_text(manifest.dump()).find("newer dreamfusion"), std::string::npos);
  EXPECT_EQ(fault_of_text(manifest.dump()).find("latent"), std::string::npos);
  manifest["format"] = "diffusers";
  EXPECT_NE(fault_of_text(manifest.dump()).find("\"format\": \"diffusers\""), std::string::npos);
  for (const char* text : {"[]", "3", "null", "{}", "\"x\""}) EXPECT_NE(fault_of_text(text).find("does not describe a prior pack"), std::string::npos) << text;
}

}  // namespace
}  // namespace dreamfusion
