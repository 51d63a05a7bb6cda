#include "dreamfusion/guidance/prior_pack.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "dreamfusion/core/error.h"
#include "edit_manifest.h"
#include "testing/expect_contains.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

class PriorPackTest : public ::testing::Test {
 protected:
  void SetUp() override { testing::write_tiny_prior_pack(pack_); }

  static std::string fault(const fs::path& folder) {
    try {
      PriorPack::open(folder);
    } catch (const UserError& error) {
      EXPECT_FALSE(error.fault().where.empty());
      EXPECT_FALSE(error.fault().fix.empty());
      EXPECT_EQ(error.exit_code(), ExitCode::kFailed);
      return error.what();
    }
    return "no fault";
  }
  void overwrite(const std::string& file, const std::string& bytes) { std::ofstream(pack_ / file, std::ios::binary) << bytes; }

  testing::TemporaryFolder folder_;
  fs::path pack_ = folder_.path() / "pack";
  const std::vector<std::string> files_ = {"unet.pt", "text_encoder.pt", "vocabulary.json", "scorer.pt", "shapes.bin"};
};

TEST_F(PriorPackTest, OpensAWholePack) {
  const PriorPack pack = PriorPack::open(pack_);
  EXPECT_EQ(pack.manifest().name, "tiny");
  EXPECT_EQ(pack.folder(), pack_);
  EXPECT_EQ(pack.hash(), sha256_of_file(pack_ / "prior.json"));
}

TEST_F(PriorPackTest, FoldersThatAreNoPackAreToldApart) {
  EXPECT_CONTAINS(fault(folder_.path() / "nowhere"), "does not exist");
  EXPECT_CONTAINS(fault(pack_ / "unet.pt"), "not a folder");
  EXPECT_CONTAINS(fault(folder_.path()), "no prior.json");
  fs::create_directories(folder_.path() / "odd" / "prior.json");
  EXPECT_CONTAINS(fault(folder_.path() / "odd"), "not a file");
}

TEST_F(PriorPackTest, EachFileAbsentIsNamed) {
  for (const std::string& file : files_) {
    fs::rename(pack_ / file, pack_ / "aside");
    EXPECT_CONTAINS(fault(pack_), file + ": missing");
    fs::rename(pack_ / "aside", pack_ / file);
  }
  EXPECT_EQ(fault(pack_), "no fault");
}

TEST_F(PriorPackTest, EachFileEmptyTruncatedGarbledOrWithOneBitFlippedIsNamed) {
  for (const std::string& file : files_) {
    const std::string whole = read_file(pack_ / file), digest = sha256_hex(whole);
    overwrite(file, "");
    EXPECT_CONTAINS(fault(pack_), file + ": empty");
    for (const std::size_t length : {std::size_t{1}, whole.size() / 2, whole.size() - 1}) {
      overwrite(file, whole.substr(0, length));
      EXPECT_CONTAINS(fault(pack_), file + ": truncated or changed: " + std::to_string(length) + " bytes");
      EXPECT_CONTAINS(fault(pack_), "expected " + digest.substr(0, 12));
    }
    for (const std::size_t place : {std::size_t{0}, whole.size() / 3, whole.size() - 1}) {
      std::string flipped = whole;
      flipped[place] = static_cast<char>(flipped[place] ^ 4);
      overwrite(file, flipped);
      EXPECT_CONTAINS(fault(pack_), file + ": truncated or changed");
      EXPECT_CONTAINS(fault(pack_), sha256_hex(flipped).substr(0, 12));
    }
    overwrite(file, whole);
  }
  EXPECT_EQ(fault(pack_), "no fault");
}

TEST_F(PriorPackTest, AllDamagedFilesAreToldAtOnce) {
  fs::remove(pack_ / "unet.pt");
  overwrite("scorer.pt", "");
  const std::string text = fault(pack_);
  EXPECT_CONTAINS(text, "unet.pt: missing");
  EXPECT_CONTAINS(text, "scorer.pt: empty");
  EXPECT_CONTAINS(text, "\"tiny\" is damaged");
}

TEST_F(PriorPackTest, SpecialFilesAreExplained) {
  overwrite("unet.pt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n");
  EXPECT_CONTAINS(fault(pack_), "git lfs pull");
  fs::remove(pack_ / "unet.pt");
  fs::create_directory(pack_ / "unet.pt");
  EXPECT_CONTAINS(fault(pack_), "unet.pt: not a file");
}

TEST_F(PriorPackTest, FilesWithoutPermissionAreExplained) {
  fs::permissions(pack_ / "unet.pt", fs::perms::none);
  constexpr uid_t kNobody = 65534;  // root may read everything
  const uid_t self = ::geteuid();
  if (self == 0) {
    ASSERT_EQ(::seteuid(kNobody), 0);
  }
  const std::string text = fault(pack_);
  if (self == 0) {
    ASSERT_EQ(::seteuid(self), 0);
  }
  EXPECT_CONTAINS(text, "unet.pt: ");
  EXPECT_CONTAINS(text, "ermission");
}

TEST_F(PriorPackTest, OneBitOfTheManifestIsNeverACrash) {
  const std::string whole = read_file(pack_ / "prior.json");
  int opened = 0, refused = 0;
  for (std::size_t place = 0; place < whole.size(); place += 211) {
    std::string flipped = whole;
    flipped[place] = static_cast<char>(flipped[place] ^ (1 << (place % 8)));
    overwrite("prior.json", flipped);
    (fault(pack_) == "no fault" ? opened : refused)++;  // a digit of a number or a letter of a name may still be valid
  }
  EXPECT_GT(refused, 0);
}

TEST_F(PriorPackTest, SymbolicLinksToFilesAreFine) {
  fs::rename(pack_ / "unet.pt", folder_.path() / "blob");
  fs::create_symlink(folder_.path() / "blob", pack_ / "unet.pt");
  EXPECT_EQ(fault(pack_), "no fault");
}

TEST_F(PriorPackTest, ReferenceShapesOfTheWrongSizeAreExplained) {
  testing::replace_file(pack_, "shapes.bin", "short");
  const PriorPack pack = PriorPack::open(pack_);
  try {
    load_reference_shape(pack, 0);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_CONTAINS(std::string(error.what()), "5 bytes, expected 128");
  }
}

TEST_F(PriorPackTest, FindsTheShippedPackByEnvironmentFirst) {
  const fs::path chosen = folder_.path() / "priors" / "starter-64";
  fs::create_directories(chosen);
  fs::copy(pack_ / "prior.json", chosen / "prior.json");
  ::setenv("DREAMFUSION_HOME", folder_.path().c_str(), 1);
  EXPECT_EQ(find_prior(""), chosen);
  ::unsetenv("DREAMFUSION_HOME");
  EXPECT_EQ(find_prior(""), fs::path(DREAMFUSION_SOURCE_DIR) / "priors" / "starter-64");
  EXPECT_EQ(find_prior("some/where"), fs::path("some/where"));
}

}  // namespace
}  // namespace dreamfusion
