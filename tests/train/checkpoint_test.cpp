#include "dreamfusion/train/checkpoint.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>

#include "dreamfusion/core/error.h"
#include "dreamfusion/io/files.h"
#include "testing/temporary_folder.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

Checkpoint sample(std::int64_t step) {
  return {step, {{"a", at::arange(6, at::kFloat).view({2, 3}) + static_cast<double>(step)}, {"b", at::ones({}, at::kBool)}}};
}

void flip_byte(const fs::path& file, std::size_t position) {
  std::string bytes = read_file(file);
  bytes[position] = static_cast<char>(bytes[position] ^ 1);
  std::ofstream(file, std::ios::binary) << bytes;
}

TEST(Checkpoint, ComesBackBitForBit) {
  const testing::TemporaryFolder folder;
  save_checkpoint(folder.path(), sample(7), 2);
  const auto loaded = load_newest_checkpoint(folder.path());
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->step, 7);
  ASSERT_EQ(loaded->state.size(), 2u);
  EXPECT_TRUE(at::equal(loaded->state.at("a"), sample(7).state.at("a")));
  EXPECT_EQ(loaded->state.at("b").scalar_type(), at::kBool);
}

TEST(Checkpoint, KeepsTheNewest) {
  const testing::TemporaryFolder folder;
  for (const std::int64_t step : {5, 10, 100, 1000}) save_checkpoint(folder.path(), sample(step), 2);
  EXPECT_EQ(list_checkpoints(folder.path()), (std::vector<std::int64_t>{100, 1000}));
}

TEST(Checkpoint, ADamagedOneIsNamedAndTheOneBeforeIsTaken) {
  const testing::TemporaryFolder folder;
  save_checkpoint(folder.path(), sample(1), 5);
  save_checkpoint(folder.path(), sample(2), 5);
  const fs::path newest = folder.path() / "step_00000002";
  const std::string bytes = read_file(newest / "state.pt");
  for (const std::size_t position : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
    flip_byte(newest / "state.pt", position);
    EXPECT_THROW(load_checkpoint(newest), UserError) << position;
    EXPECT_EQ(load_newest_checkpoint(folder.path())->step, 1);
    flip_byte(newest / "state.pt", position);
  }
  EXPECT_EQ(load_newest_checkpoint(folder.path())->step, 2);
  fs::resize_file(newest / "state.pt", bytes.size() / 2);
  EXPECT_EQ(load_newest_checkpoint(folder.path())->step, 1);
  fs::remove(newest / "checkpoint.json");
  EXPECT_EQ(load_newest_checkpoint(folder.path())->step, 1);
}

TEST(Checkpoint, DoesNotStartOverWhenAllAreDamaged) {
  const testing::TemporaryFolder folder;
  EXPECT_FALSE(load_newest_checkpoint(folder.path()).has_value());
  save_checkpoint(folder.path(), sample(1), 5);
  flip_byte(folder.path() / "step_00000001" / "state.pt", 3);
  EXPECT_THROW(load_newest_checkpoint(folder.path()), UserError);
}

TEST(Checkpoint, AnotherFormatVersionIsSaidInWords) {
  const testing::TemporaryFolder folder;
  save_checkpoint(folder.path(), sample(1), 5);
  const fs::path manifest = folder.path() / "step_00000001" / "checkpoint.json";
  std::string text = read_file(manifest);
  text.replace(text.find("\"format_version\": 1"), 19, "\"format_version\": 9");
  write_file_atomically(manifest, text);
  try {
    load_checkpoint(manifest.parent_path());
    FAIL();
  } catch (const UserError& fault) {
    EXPECT_NE(std::string(fault.what()).find("format version 9"), std::string::npos);
  }
}

TEST(Checkpoint, StraysInTheFolderAreIgnored) {
  const testing::TemporaryFolder folder;
  fs::create_directories(folder.path() / ".tmp-step_00000009-x");
  fs::create_directories(folder.path() / "step_abc");
  save_checkpoint(folder.path(), sample(3), 1);
  EXPECT_EQ(list_checkpoints(folder.path()), (std::vector<std::int64_t>{3}));
}

}  // namespace
}  // namespace dreamfusion
