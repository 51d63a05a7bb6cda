#include "dreamfusion/core/error.h"
#include "dreamfusion/guidance/prior_pack.h"
#include "dreamfusion/io/files.h"
#include "manifest_parts.h"

namespace dreamfusion {

std::vector<std::string> precomputed_prompts(const PriorPack& pack) {
  std::vector<std::string> prompts;
  if (pack.manifest().prompts_file.empty()) return prompts;
  const std::string path = (pack.folder() / pack.manifest().prompts_file).string();
  const nlohmann::json json = parse_json_file(read_file(path), path);
  Problems problems;
  for (const JsonNode& item : JsonNode(json, problems).at("prompts").items()) {
    if (item.json().is_string()) prompts.push_back(item.json().get<std::string>());  // one of them is empty
    else item.complain("a text");
  }
  if (!problems.empty())
    throw UserError({.what = "the prior pack's list of prompts cannot be read", .where = path, .found = list_problems(problems),
                     .fix = "export the pack again"});
  return prompts;
}

}  // namespace dreamfusion
