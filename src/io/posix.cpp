#include "posix.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "dreamfusion/core/error.h"

namespace dreamfusion::posix {
namespace {

namespace fs = std::filesystem;

struct Reason {
  const char* found;
  const char* fix;
};

/// The errors that users meet, in words.
Reason reason_for(int error) {
  switch (error) {
    case ENOENT: return {"it does not exist", "check the path"};
    case EACCES:
    case EPERM: return {"no permission", "change its permissions, or choose another place"};
    case EROFS: return {"the file system is read-only", "choose another place"};
    case ENOSPC: return {"no space left on the device", "free some space, or choose another place"};
    case EDQUOT: return {"your disk quota is used up", "free some space, or choose another place"};
    case EFBIG: return {"the file would be larger than the limit of this process or file system (ulimit -f)",
                        "raise the limit, or choose another place"};
    case EISDIR: return {"it is a folder", "name a file"};
    case ENOTDIR: return {"a part of the path is a file, not a folder", "check the path"};
    case ENAMETOOLONG: return {"the name is too long", "choose a shorter one"};
    case ELOOP: return {"its symbolic links go in a circle", "check the path"};
    case EMFILE:
    case ENFILE: return {"too many open files", "close other programs, or raise the limit (ulimit -n)"};
    case EIO: return {"the device reports an input/output error", "check the disk"};
    default: return {nullptr, ""};
  }
}

}  // namespace

void fail(const std::string& action, const fs::path& path, int error) {
  const Reason reason = reason_for(error);
  const std::string found = reason.found != nullptr ? reason.found : std::strerror(error);
  throw UserError({"cannot " + action, path.string(), found, reason.fix});
}

File::File(fs::path path, int flags, const std::string& action) : path_(std::move(path)), action_(action) {
  constexpr mode_t kEveryone = 0666;  // less the umask
  do {
    descriptor_ = ::open(path_.c_str(), flags | O_CLOEXEC, kEveryone);
  } while (descriptor_ < 0 && errno == EINTR);
  if (descriptor_ >= 0) return;
  if (errno == ENOENT && (flags & O_CREAT) != 0) {
    throw UserError(
        {"cannot " + action_, path_.string(), "its folder does not exist", "create the folder, or choose another"});
  }
  fail(action_, path_, errno);
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string File::read_all() {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) fail(action_, path_, errno);
  std::string bytes;
  if (status.st_size > 0) bytes.reserve(static_cast<std::size_t>(status.st_size));
  std::array<char, 1 << 16> buffer;
  for (;;) {
    const ssize_t count = ::read(descriptor_, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(action_, path_, errno);
    if (count == 0) return bytes;
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

void File::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail(action_, path_, count < 0 ? errno : ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void File::sync() {
  if (::fsync(descriptor_) != 0) fail(action_, path_, errno);
}

void File::close() {
  const int descriptor = std::exchange(descriptor_, -1);
  // Linux has closed the descriptor even where close(2) says EINTR; other errors are late write errors (NFS, quota).
  if (::close(descriptor) != 0 && errno != EINTR) fail(action_, path_, errno);
}

void sync_folder(const fs::path& folder) {
  File file(folder, O_RDONLY | O_DIRECTORY, "sync the folder");
  // Some network file systems cannot sync a folder; their rename is durable or as durable as it gets.
  if (::fsync(file.descriptor()) != 0 && errno != EINVAL && errno != ENOTSUP) fail("sync the folder", folder, errno);
}

void rename(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail("put the file in its place", to, errno);
}

void exchange_folder(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) return;
  if (errno == ENOENT) {
    if (::rename(from.c_str(), to.c_str()) != 0) fail("put the folder in its place", to, errno);
    return;
  }
  if (errno != EINVAL && errno != ENOSYS && errno != EXDEV) fail("put the folder in its place", to, errno);
  // A file system without exchange (NFS): the old folder steps aside for a moment.
  const fs::path aside = from.string() + "-old";
  if (::rename(to.c_str(), aside.c_str()) != 0) fail("replace the folder", to, errno);
  if (::rename(from.c_str(), to.c_str()) != 0) {
    const int error = errno;
    if (::rename(aside.c_str(), to.c_str()) != 0) fail("put the folder back; it is now " + aside.string(), to, errno);
    fail("replace the folder", to, error);
  }
  if (::rename(aside.c_str(), from.c_str()) != 0) fail("remove the folder", aside, errno);
}

}  // namespace dreamfusion::posix
