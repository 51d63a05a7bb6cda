#pragma once
/// The options as data: for help, keys and the names on the command line.
#include <string>
#include <vector>

#include "dreamfusion/config/config.h"

namespace dreamfusion {

struct OptionInfo {
  std::string path;     ///< "guidance.guidance_scale"
  std::string kind;     ///< "number"
  std::string initial;  ///< the default as JSON
  std::string limits;   ///< "0 to 1000", "uniform|sigma2" or ""
  std::string help;
  bool is_text = false;  ///< takes text without quotes on the command line
};

struct SectionInfo {
  std::string path;  ///< "" for the options that stand in no section
  std::string help;
  std::vector<OptionInfo> options;
};

/// All sections in the order of Config::visit, those without own options left out.
std::vector<SectionInfo> list_options();

/// What is behind the last dot.
std::string leaf_of(const std::string& path);

}  // namespace dreamfusion
