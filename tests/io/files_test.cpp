#include "dreamfusion/io/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "dreamfusion/core/error.h"
#include "posix.h"
#include "testing/temporary_folder.h"
#include "testing/text_files.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;
using testing::names_in;
using testing::read_text;
using testing::TemporaryFolder;
using testing::write_text;
using Names = std::set<std::string>;

template <class Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const UserError& error) {
    return error.what();
  }
  return "accepted";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Acts as an ordinary user where the tests run as root, for whom permissions mean nothing.
class Unprivileged {
 public:
  Unprivileged() { changed_ = geteuid() == 0 && seteuid(65534) == 0; }
  ~Unprivileged() {
    if (changed_ && seteuid(0) != 0) std::abort();
  }

 private:
  bool changed_ = false;
};

/// No file may grow beyond `bytes`: a disk that fills up in the middle of a write.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST(Files, WritesAndReadsEveryByte) {
  const TemporaryFolder folder;
  std::string bytes;
  for (int i = 0; i < 300000; ++i) bytes += static_cast<char>(i * 31);
  write_file_atomically(folder.path() / "a", bytes);
  EXPECT_EQ(read_file(folder.path() / "a"), bytes);
  write_file_atomically(folder.path() / "a", "");
  EXPECT_EQ(read_file(folder.path() / "a"), "");
  EXPECT_EQ(names_in(folder.path()), Names{"a"});
}

TEST(Files, WritesLongAndRelativeNames) {
  const TemporaryFolder folder;
  const std::string longest(255, 'n');
  write_file_atomically(folder.path() / longest, "x");
  EXPECT_EQ(read_file(folder.path() / longest), "x");
  const fs::path too_long = folder.path() / (longest + "n");
  EXPECT_TRUE(contains(refusal([&] { write_file_atomically(too_long, "x"); }), "the name is too long"));
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  write_file_atomically("relative", "y");
  fs::current_path(before);
  EXPECT_EQ(names_in(folder.path()), (Names{longest, "relative"}));
}

TEST(Files, AFailedWriteLeavesTheOldFileAndNothingElse) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "a", "old");
  {
    const FileSizeLimit limit(1000);
    const std::string message = refusal([&] { write_file_atomically(folder.path() / "a", std::string(5000, 'x')); });
    EXPECT_TRUE(contains(message, "cannot write the file")) << message;
    EXPECT_TRUE(contains(message, "where: " + (folder.path() / "a").string() + "\n")) << message;
    EXPECT_TRUE(contains(message, "the file would be larger")) << message;
  }
  EXPECT_EQ(read_text(folder.path() / "a"), "old");
  EXPECT_EQ(names_in(folder.path()), Names{"a"});
}

TEST(Files, FilesThatBelongTogetherAreReplacedTogetherOrNotAtAll) {
  const TemporaryFolder folder;
  const fs::path a = folder.path() / "a", b = folder.path() / "b", c = folder.path() / "c";
  write_files_atomically({{a, "old a"}, {b, "old b"}});
  {
    const FileSizeLimit limit(1000);
    EXPECT_TRUE(contains(refusal([&] { write_files_atomically({{a, "new a"}, {b, std::string(5000, 'x')}, {c, "new c"}}); }), "where: " + b.string()));
  }
  fs::create_directory(folder.path() / "d");
  EXPECT_TRUE(contains(refusal([&] { write_files_atomically({{a, "new a"}, {folder.path() / "d", "x"}}); }), "it is a folder"));
  EXPECT_EQ(read_text(a), "old a");
  EXPECT_EQ(read_text(b), "old b");
  EXPECT_EQ(names_in(folder.path()), (Names{"a", "b", "d"}));
  write_files_atomically({{a, "new a"}, {c, "new c"}});
  EXPECT_EQ(read_text(a) + read_text(c), "new anew c");
}

TEST(Files, AFullDiskIsToldInWords) {
  posix::File full("/dev/full", O_WRONLY, "write the file");
  const std::string message = refusal([&] { full.write_all("x"); });
  EXPECT_TRUE(contains(message, "cannot write the file\n  where: /dev/full\n  found: no space left")) << message;
}

TEST(Files, ReadingNamesTheReason) {
  const TemporaryFolder folder;
  write_text(folder.path() / "file", "x");
  write_text(folder.path() / "secret", "x");
  fs::permissions(folder.path() / "secret", fs::perms(0));
  EXPECT_TRUE(contains(refusal([&] { read_file(folder.path() / "none"); }), "it does not exist"));
  EXPECT_TRUE(contains(refusal([&] { read_file(folder.path()); }), "it is a folder"));
  EXPECT_TRUE(contains(refusal([&] { read_file(folder.path() / "file/below"); }), "a part of the path is a file"));
  const Unprivileged user;
  EXPECT_TRUE(contains(refusal([&] { read_file(folder.path() / "secret"); }), "no permission"));
}

TEST(Files, WritingNamesTheReason) {
  const TemporaryFolder folder;
  const fs::path lost = folder.path() / "no/such/file";
  EXPECT_TRUE(contains(refusal([&] { write_file_atomically(lost, "x"); }), "its folder does not exist"));
  EXPECT_TRUE(contains(refusal([&] { write_file_atomically(folder.path(), "x"); }), "it is a folder"));
  EXPECT_TRUE(contains(refusal([] { write_file_atomically("/dev/null", "x"); }), "device, pipe or socket"));
  EXPECT_TRUE(contains(refusal([] { append_line("/dev/full", "x"); }), "device, pipe or socket"));
  const Unprivileged user;
  EXPECT_TRUE(contains(refusal([&] { write_file_atomically(folder.path() / "a", "x"); }), "no permission"));
}

TEST(Files, ANoEntryFolderIsAnErrorAndNotAnEndlessSearch) {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "closed");
  fs::permissions(folder.path() / "closed", fs::perms(0700));
  const Unprivileged user;
  EXPECT_TRUE(contains(refusal([&] { write_file_atomically(folder.path() / "closed/a", "x"); }), "no permission"));
}

TEST(Files, AppendsLines) {
  const TemporaryFolder folder;
  append_line(folder.path() / "m", "one");
  append_line(folder.path() / "m", "");
  append_line(folder.path() / "m", "three");
  EXPECT_EQ(read_text(folder.path() / "m"), "one\n\nthree\n");
  EXPECT_THROW(append_line(folder.path() / "m", "two\nlines"), std::invalid_argument);
}

TEST(Files, AppendingCutsOffAHalfLine) {
  const TemporaryFolder folder;
  write_text(folder.path() / "m", "one\n{\"step\": 1");
  append_line(folder.path() / "m", "two");
  EXPECT_EQ(read_text(folder.path() / "m"), "one\ntwo\n");
  write_text(folder.path() / "m", "no line at all");
  append_line(folder.path() / "m", "first");
  EXPECT_EQ(read_text(folder.path() / "m"), "first\n");
  const std::string head = std::string(5000, 'h') + "\n";
  write_text(folder.path() / "m", head + std::string(10000, 'x'));  // a half line longer than one block
  append_line(folder.path() / "m", "end");
  EXPECT_EQ(read_text(folder.path() / "m"), head + "end\n");
}

TEST(Files, AFailedAppendLeavesWholeLines) {
  const TemporaryFolder folder;
  append_line(folder.path() / "m", "one");
  {
    const FileSizeLimit limit(6);
    EXPECT_NE(refusal([&] { append_line(folder.path() / "m", "much too long"); }), "accepted");
  }
  EXPECT_EQ(read_text(folder.path() / "m"), "one\n");
}

void fill_with(const fs::path& folder, const std::string& text) {
  fs::create_directories(folder / "sub");
  write_text(folder / "sub/a", text);
}

TEST(Folders, AreWrittenAndReplacedWhole) {
  const TemporaryFolder folder;
  for (const char* text : {"first", "second"}) {
    write_folder_atomically(folder.path() / "run", [&](const fs::path& target) {
      EXPECT_EQ(target.filename().string().rfind(".tmp-run-", 0), 0U);
      EXPECT_EQ(target.parent_path(), folder.path());
      fill_with(target, text);
      write_text(target / text, "");
    });
    EXPECT_EQ(read_text(folder.path() / "run/sub/a"), text);
  }
  EXPECT_FALSE(fs::exists(folder.path() / "run/first"));
  write_folder_atomically(folder.path() / "slash/", [](const fs::path& target) { fill_with(target, "x"); });
  EXPECT_EQ(names_in(folder.path()), (Names{"run", "slash"}));
}

TEST(Folders, NothingStaysWhenFillingFails) {
  const TemporaryFolder folder;
  write_folder_atomically(folder.path() / "run", [](const fs::path& target) { fill_with(target, "old"); });
  const auto failing = [](const fs::path& target) {
    fill_with(target, "new");
    throw std::runtime_error("out of ideas");
  };
  EXPECT_THROW(write_folder_atomically(folder.path() / "run", failing), std::runtime_error);
  EXPECT_THROW(write_folder_atomically(folder.path() / "other", failing), std::runtime_error);
  EXPECT_EQ(read_text(folder.path() / "run/sub/a"), "old");
  EXPECT_EQ(names_in(folder.path()), Names{"run"});
}

TEST(Folders, RefuseTheNameOfAFileAndAMissingParent) {
  const TemporaryFolder folder;
  write_text(folder.path() / "file", "x");
  const auto fill = [](const fs::path&) { FAIL() << "must not be called"; };
  EXPECT_TRUE(contains(refusal([&] { write_folder_atomically(folder.path() / "file", fill); }), "a file of that name"));
  const fs::path lost = folder.path() / "no/run";
  EXPECT_TRUE(contains(refusal([&] { write_folder_atomically(lost, fill); }), "cannot create the folder"));
  EXPECT_EQ(read_text(folder.path() / "file"), "x");
}

TEST(FoldersDeathTest, AKilledWriterLosesNothing) {
  const TemporaryFolder folder;
  write_folder_atomically(folder.path() / "run", [](const fs::path& target) { fill_with(target, "old"); });
  EXPECT_EXIT(write_folder_atomically(folder.path() / "run",
                                      [](const fs::path& target) {
                                        fill_with(target, "new");
                                        std::raise(SIGKILL);
                                      }),
              ::testing::KilledBySignal(SIGKILL), "");
  EXPECT_EQ(read_text(folder.path() / "run/sub/a"), "old");
  EXPECT_EQ(names_in(folder.path()).size(), 2U);
  remove_stale_temporaries(folder.path());
  EXPECT_EQ(names_in(folder.path()), Names{"run"});
}

TEST(Folders, RemovesOnlyTemporaries) {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / ".tmp-step-1-2/deep");
  write_text(folder.path() / ".tmp-x", "");
  write_text(folder.path() / "tmp-kept", "");
  write_text(folder.path() / ".tmpkept", "");
  remove_stale_temporaries(folder.path());
  EXPECT_EQ(names_in(folder.path()), (Names{"tmp-kept", ".tmpkept"}));
  EXPECT_TRUE(contains(refusal([&] { remove_stale_temporaries(folder.path() / "none"); }), "cannot list the folder"));
}

TEST(Folders, EnsureWritableCreatesAndProves) {
  const TemporaryFolder folder;
  ensure_writable_folder(folder.path() / "a/b/c/");
  ensure_writable_folder(folder.path() / "a/b/c");
  EXPECT_TRUE(fs::is_empty(folder.path() / "a/b/c"));
  write_text(folder.path() / "file", "");
  EXPECT_TRUE(contains(refusal([&] { ensure_writable_folder(folder.path() / "file"); }), "is a file, not a folder"));
  EXPECT_TRUE(contains(refusal([&] { ensure_writable_folder(folder.path() / "file/x"); }), "is a file, not a folder"));
  {
    const FileSizeLimit limit(100);
    const fs::path full = folder.path() / "a";
    const std::string message = refusal([&] { ensure_writable_folder(full); });
    EXPECT_TRUE(contains(message, "cannot write in the folder\n  where: " + full.string() + "\n")) << message;
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path() / "a"), {}), 1);
  const Unprivileged user;
  EXPECT_TRUE(contains(refusal([&] { ensure_writable_folder(folder.path() / "a"); }), "no permission"));
  EXPECT_TRUE(contains(refusal([&] { ensure_writable_folder(folder.path() / "new"); }), "no permission"));
}

// FIPS 180-2, appendix B, and the empty message.
TEST(Sha256, MatchesThePublishedExamples) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, OfAFileEqualsThatOfItsBytes) {
  const TemporaryFolder folder;
  const std::string bytes(200001, 'b');
  write_text(folder.path() / "a", bytes);
  EXPECT_EQ(sha256_of_file(folder.path() / "a"), sha256_hex(bytes));
  EXPECT_TRUE(contains(refusal([&] { sha256_of_file(folder.path() / "none"); }), "it does not exist"));
  EXPECT_TRUE(contains(refusal([&] { sha256_of_file(folder.path()); }), "it is a folder"));
}

}  // namespace
}  // namespace dreamfusion
