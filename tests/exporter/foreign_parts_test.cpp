/// Exported packs with parts of other models in them, their digests made right: refused in words before anything is optimised.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "dreamfusion/core/error.h"
#include "dreamfusion/guidance/diffusion_prior.h"
#include "dreamfusion/io/files.h"
#include "exported_packs.h"
#include "guidance/edit_manifest.h"
#include "testing/expect_contains.h"
#include "testing/temporary_folder.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class ForeignParts : public ::testing::Test {
 protected:
  /// A copy of the Stable Diffusion 1 pack with one file from elsewhere.
  std::string fault_with(const std::string& file, const std::string& content) {
    const fs::path pack = folder_.path() / "pack";
    fs::remove_all(pack);
    fs::copy(testing::exported_packs() / "sd1/pack", pack);
    testing::replace_file(pack, file, content);
    try {
      load_prior(PriorPack::open(pack), at::kCPU)->encode_text({"a red mushroom"});
    } catch (const UserError& error) {
      return error.what();
    }
    return "no fault";
  }
  static std::string part_of(const std::string& pack, const std::string& file) { return read_file(testing::exported_packs() / pack / "pack" / file); }

  testing::TemporaryFolder folder_;
};

TEST_F(ForeignParts, TheNetworkOfAnotherFamily) {
  const std::string fault = fault_with("unet.pt", part_of("if", "unet.pt"));
  EXPECT_CONTAINS(fault, "unet.pt");
  EXPECT_CONTAINS(fault, "3 channels");
}

TEST_F(ForeignParts, TheNetworkWithAnotherContext) { EXPECT_CONTAINS(fault_with("unet.pt", part_of("sdxl", "unet.pt")), "unet.pt"); }

TEST_F(ForeignParts, AHalfOfTheNetwork) {
  const std::string whole = part_of("sd1", "unet.pt");
  EXPECT_CONTAINS(fault_with("unet.pt", whole.substr(0, whole.size() / 2)), "cannot be loaded as TorchScript");
}

TEST_F(ForeignParts, TheTextEncoderOfAnotherFamily) {
  EXPECT_CONTAINS(fault_with("text_encoder.pt", part_of("if", "text_encoder.pt")), "knows more tokens than its text encoder");
}

TEST_F(ForeignParts, ATokenizerOfAnotherSize) {
  Json tokenizer = Json::parse(part_of("sd1", "tokenizer.json"));
  tokenizer["model"]["vocab"]["unheard-of"] = 100000;
  EXPECT_CONTAINS(fault_with("tokenizer.json", tokenizer.dump()), "token 100000, the tokenizer's last");
}

TEST_F(ForeignParts, TheTokenizerOfAnotherFamily) {
  EXPECT_CONTAINS(fault_with("tokenizer.json", part_of("if", "tokenizer.json")), "the tokenizer cannot be used");
}

TEST_F(ForeignParts, ATokenizerThatReadsOtherwise) {
  Json tokenizer = Json::parse(part_of("sd1", "tokenizer.json"));
  Json& vocabulary = tokenizer["model"]["vocab"];
  std::swap(vocabulary["a</w>"], vocabulary["b</w>"]);
  EXPECT_CONTAINS(fault_with("tokenizer.json", tokenizer.dump()), "not the one it was made with");
}

}  // namespace
}  // namespace dreamfusion
