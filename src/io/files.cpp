#include "dreamfusion/io/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <stdexcept>

#include "dreamfusion/core/error.h"
#include "posix.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;
using posix::File;

constexpr std::string_view kTemporaryPrefix = ".tmp-";

/// A path beside `path` that nothing has: `.tmp-<name>-<process>-<number>`.
fs::path temporary_beside(const fs::path& path) {
  constexpr std::size_t kLongestName = 200;  // file systems allow 255 bytes
  static std::atomic<unsigned> counter{0};
  const std::string stem = std::string(kTemporaryPrefix) + path.filename().string().substr(0, kLongestName) + "-" +
                           std::to_string(::getpid()) + "-";
  fs::path candidate;
  std::error_code ignored;
  do {
    candidate = path.parent_path() / (stem + std::to_string(counter++));
  } while (fs::exists(fs::symlink_status(candidate, ignored)));
  return candidate;
}

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

/// "runs/a/" → "runs/a": otherwise the name would be empty and `.tmp-…` would go inside.
fs::path without_trailing_slash(const fs::path& path) { return path.has_filename() ? path : path.parent_path(); }

/// Removes a temporary when it goes out of scope, whatever happened.
class TemporaryGuard {
 public:
  explicit TemporaryGuard(fs::path path) : path_(std::move(path)) {}
  ~TemporaryGuard() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryGuard(const TemporaryGuard&) = delete;
  TemporaryGuard& operator=(const TemporaryGuard&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// A rename over a device or a pipe would replace it (/dev/null, as root).
void refuse_special_file(const fs::path& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (fs::is_directory(status)) posix::fail("write the file", path, EISDIR);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    throw UserError({"cannot write the file", path.string(), "it is a device, pipe or socket", "name a regular file"});
  }
}

/// Length of the text up to and including its last newline; what a killed process left behind it does not count.
off_t whole_lines(const std::string& text) {
  const std::size_t last = text.rfind('\n');
  return last == std::string::npos ? 0 : static_cast<off_t>(last + 1);
}

/// The end of the last whole line of an open file. Reads only the last bytes: a metrics file may be long.
off_t end_of_last_line(int descriptor, const fs::path& path) {
  constexpr off_t kBlock = 4096;
  for (off_t end = ::lseek(descriptor, 0, SEEK_END); end > 0;) {
    const off_t start = end > kBlock ? end - kBlock : 0;
    std::string block(static_cast<std::size_t>(end - start), '\0');
    const ssize_t count = ::pread(descriptor, block.data(), block.size(), start);
    if (count < 0) posix::fail("read the file", path, errno);
    const off_t whole = whole_lines(block);
    if (whole > 0) return start + whole;
    end = start;
  }
  return 0;
}

/// @param path  what it will be called, for messages: the temporary's name says nothing to a user
void write_temporary(const fs::path& temporary, const fs::path& path, std::string_view bytes) {
  try {
    File file(temporary, O_WRONLY | O_CREAT | O_EXCL, "write the file");
    file.write_all(bytes);
    file.sync();
    file.close();
  } catch (const UserError& error) {
    Fault fault = error.fault();
    fault.where = path.string();
    throw UserError(fault);
  }
}

void sync_tree(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_symlink()) continue;
    if (entry.is_directory()) posix::sync_folder(entry.path());
    if (entry.is_regular_file()) File(entry.path(), O_RDONLY, "sync the file").sync();
  }
  posix::sync_folder(folder);
}

}  // namespace

std::string read_file(const fs::path& path) { return File(path, O_RDONLY, "read the file").read_all(); }

void write_file_atomically(const fs::path& path, std::string_view bytes) {
  refuse_special_file(path);
  const TemporaryGuard temporary(temporary_beside(path));
  write_temporary(temporary.path(), path, bytes);
  posix::rename(temporary.path(), path);
  posix::sync_folder(folder_of(path));
}

void write_files_atomically(const std::vector<std::pair<fs::path, std::string>>& files) {
  std::vector<std::unique_ptr<TemporaryGuard>> temporaries;
  for (const auto& [path, bytes] : files) {
    refuse_special_file(path);
    temporaries.push_back(std::make_unique<TemporaryGuard>(temporary_beside(path)));
    write_temporary(temporaries.back()->path(), path, bytes);
  }
  for (std::size_t i = 0; i < files.size(); ++i) posix::rename(temporaries[i]->path(), files[i].first);
  for (const auto& file : files) posix::sync_folder(folder_of(file.first));
}

void append_line(const fs::path& path, std::string_view line) {
  if (line.find('\n') != std::string_view::npos) throw std::invalid_argument("append_line: the line has a line break");
  refuse_special_file(path);
  File file(path, O_RDWR | O_CREAT | O_APPEND, "write the file");
  const off_t end = end_of_last_line(file.descriptor(), path);
  if (::ftruncate(file.descriptor(), end) != 0) posix::fail("write the file", path, errno);
  try {
    file.write_all(std::string(line) + "\n");
  } catch (const UserError&) {
    if (::ftruncate(file.descriptor(), end) != 0) posix::fail("cut off a half line of the file", path, errno);
    throw;
  }
  file.close();
}

void write_folder_atomically(const fs::path& path, const std::function<void(const fs::path&)>& fill) {
  const fs::path target = without_trailing_slash(path);
  std::error_code ignored;
  if (fs::exists(target, ignored) && !fs::is_directory(target, ignored)) {
    throw UserError({"cannot write the folder", target.string(), "there is a file of that name", "choose another name"});
  }
  const TemporaryGuard temporary(temporary_beside(target));
  std::error_code error;
  fs::create_directory(temporary.path(), error);
  if (error) posix::fail("create the folder", target, error.value());
  fill(temporary.path());
  sync_tree(temporary.path());
  posix::exchange_folder(temporary.path(), target);
  posix::sync_folder(folder_of(target));
}

void remove_stale_temporaries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> stale;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename().string().starts_with(kTemporaryPrefix)) stale.push_back(entry->path());
  }
  if (error) posix::fail("list the folder", folder, error.value());
  for (const fs::path& path : stale) {
    fs::remove_all(path, error);
    if (error) posix::fail("remove what an earlier run left", path, error.value());
  }
}

void ensure_writable_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_directory(folder, error)) posix::fail("create the folder", folder, ENOTDIR);
  fs::create_directories(without_trailing_slash(folder), error);
  if (error) posix::fail("create the folder", folder, error.value());
  const TemporaryGuard probe(temporary_beside(folder / "probe"));
  try {
    File file(probe.path(), O_WRONLY | O_CREAT | O_EXCL, "write in the folder");
    // A full disk still creates empty files.
    file.write_all(std::string(4096, '\n'));
    file.sync();
    file.close();
  } catch (const UserError& fault) {
    Fault renamed = fault.fault();
    renamed.where = folder.string();
    throw UserError(renamed);
  }
}

}  // namespace dreamfusion
