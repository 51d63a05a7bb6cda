#include "pack_files.h"

#include <fstream>

#include "dreamfusion/core/error.h"
#include "dreamfusion/io/files.h"

namespace dreamfusion {
namespace {

constexpr std::size_t kShownDigits = 12;

bool is_lfs_pointer(const std::filesystem::path& path) {
  constexpr std::string_view kStart = "version https://git-lfs";
  std::string start(kStart.size(), '\0');
  std::ifstream(path, std::ios::binary).read(start.data(), static_cast<std::streamsize>(start.size()));
  return start == kStart;
}

}  // namespace

std::optional<std::string> diagnose_file(const std::filesystem::path& path, const std::string& expected) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) return "missing";
  if (error) return error.message();
  if (!std::filesystem::is_regular_file(status)) return "not a file";
  const auto size = std::filesystem::file_size(path, error);
  if (!error && size == 0) return "empty";
  std::string actual;
  try {
    actual = sha256_of_file(path);
  } catch (const UserError& fault) {
    return fault.fault().found.empty() ? fault.fault().what : fault.fault().found;
  }
  if (actual == expected) return std::nullopt;
  if (is_lfs_pointer(path)) return "only a Git LFS pointer: run `git lfs pull`";
  return "truncated or changed: " + std::to_string(size) + " bytes with SHA-256 " + actual.substr(0, kShownDigits) + "…, expected " +
         expected.substr(0, kShownDigits) + "…";
}

}  // namespace dreamfusion
