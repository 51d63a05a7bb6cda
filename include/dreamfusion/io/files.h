#pragma once
/// Files that are whole or absent: everything is written beside its place, synced to the disk, and renamed.
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dreamfusion {

/// @throws UserError that names the file and the operating system's reason (missing, no permission, no space …).
std::string read_file(const std::filesystem::path& path);
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);
/// Several files that belong together: nothing is replaced before all of them are on the disk.
void write_files_atomically(const std::vector<std::pair<std::filesystem::path, std::string>>& files);
/// Appends one line and flushes it (metrics.jsonl); a half line that a killed process left is cut off first.
void append_line(const std::filesystem::path& path, std::string_view line);

/// Fills a folder `.tmp-<name>-…` beside `path` by calling `fill(folder)`, syncs its files, and renames it to `path`.
/// An existing `path` is replaced. Nothing stays when `fill` throws.
void write_folder_atomically(const std::filesystem::path& path,
                             const std::function<void(const std::filesystem::path&)>& fill);
/// Removes `.tmp-*` that killed processes left in `folder`.
void remove_stale_temporaries(const std::filesystem::path& folder);

/// Creates the folder and its parents and proves that a file can be written there. @throws UserError with the reason.
void ensure_writable_folder(const std::filesystem::path& folder);

/// SHA-256 as 64 lower-case hex digits.
std::string sha256_hex(std::string_view bytes);
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace dreamfusion
