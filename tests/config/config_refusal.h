#pragma once
#include <gtest/gtest.h>

#include <string>

#include "dreamfusion/config/load.h"
#include "dreamfusion/core/error.h"

namespace dreamfusion::testing {

/// What was found wrong, "accepted" when nothing was. Every fault of a config is one of usage.
template <class Call>
std::string config_refusal(const Call& call) {
  try {
    call();
  } catch (const UserError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
    return error.fault().found;
  }
  return "accepted";
}

inline std::string json_refusal(const std::string& json) {
  return config_refusal([&] { config_from_json(json, "run"); });
}

inline std::string override_refusal(const std::vector<std::string>& overrides) {
  return config_refusal([&] { load_config({{}, overrides}); });
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace dreamfusion::testing
