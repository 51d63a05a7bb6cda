#pragma once
/// System calls with checked results: every failure becomes a UserError that names the file and the reason.
#include <filesystem>
#include <string>
#include <string_view>

namespace dreamfusion::posix {

/// Throws the fault for the operating system's `error` (an errno). `action` completes "cannot …": "write the file".
[[noreturn]] void fail(const std::string& action, const std::filesystem::path& path, int error);

/// An open file. The destructor closes it silently; close() reports what the disk says last.
class File {
 public:
  /// `flags` as in open(2); O_CLOEXEC is added.
  File(std::filesystem::path path, int flags, const std::string& action);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  std::string read_all();
  void write_all(std::string_view bytes);
  void sync();
  void close();
  int descriptor() const { return descriptor_; }

 private:
  std::filesystem::path path_;
  std::string action_;
  int descriptor_ = -1;
};

/// Makes the names in `folder` durable.
void sync_folder(const std::filesystem::path& folder);

/// rename(2): replaces a file.
void rename(const std::filesystem::path& from, const std::filesystem::path& to);

/// Puts the folder `from` in the place of `to`, and what was there (if anything) in the place of `from`.
void exchange_folder(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace dreamfusion::posix
