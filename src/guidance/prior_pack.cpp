#include "dreamfusion/guidance/prior_pack.h"

#include <system_error>

#include "dreamfusion/core/error.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/config/json_node.h"
#include "manifest.h"
#include "pack_files.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

constexpr const char* kChooseAnother =
    "give the folder of a prior pack (it holds prior.json), or leave the option out to use the one that ships";
constexpr const char* kRestore =
    "restore the folder (`git checkout -- FOLDER` in a checkout, or copy it again from where it came from), or export the pack again";

/// Every fault of a folder that is told apart: not there, no permission, a file, no prior.json.
void check_folder(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (status.type() == fs::file_type::not_found)
    throw UserError({.what = "the prior pack does not exist", .where = folder.string(), .found = "nothing there", .fix = kChooseAnother});
  if (error)
    throw UserError({.what = "the prior pack cannot be read", .where = folder.string(), .found = error.message(), .fix = kChooseAnother});
  if (!fs::is_directory(status))
    throw UserError({.what = "the prior pack is not a folder", .where = folder.string(), .found = "a file", .fix = kChooseAnother});
  const fs::path manifest = folder / "prior.json";
  const fs::file_status manifest_status = fs::status(manifest, error);
  if (manifest_status.type() == fs::file_type::not_found)
    throw UserError({.what = "the folder is not a prior pack", .where = folder.string(), .found = "no prior.json in it",
                     .fix = kChooseAnother});
  if (error || !fs::is_regular_file(manifest_status))
    throw UserError({.what = "prior.json cannot be read", .where = manifest.string(),
                     .found = error ? error.message() : std::string("not a file"), .fix = kRestore});
}

}  // namespace

PriorPack PriorPack::open(const std::filesystem::path& folder) {
  check_folder(folder);
  PriorPack pack;
  pack.folder_ = folder;
  const fs::path manifest_path = folder / "prior.json";
  const std::string text = read_file(manifest_path);
  pack.manifest_ = parse_manifest(text, manifest_path.string());
  pack.hash_ = sha256_hex(text);
  Problems problems;
  for (const auto& [file, digest] : pack.manifest_.sha256)
    if (const auto problem = diagnose_file(folder / file, digest)) problems.push_back(file + ": " + *problem);
  if (!problems.empty())
    throw UserError({.what = "the prior pack \"" + pack.manifest_.name + "\" is damaged", .where = folder.string(),
                     .found = list_problems(problems), .fix = kRestore});
  return pack;
}

}  // namespace dreamfusion
