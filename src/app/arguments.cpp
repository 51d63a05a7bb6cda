#include "arguments.h"

#include <algorithm>
#include <iostream>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/core/text.h"

namespace dreamfusion {
namespace {

/// "--guidance_scale=3" → "--guidance-scale=3".
std::string with_dashes(std::string argument) {
  if (!argument.starts_with("--")) return argument;
  const auto name_end = std::min(argument.find('='), argument.size());
  std::replace(argument.begin(), argument.begin() + static_cast<std::ptrdiff_t>(name_end), '_', '-');
  return argument;
}

std::vector<std::string> option_names(const cxxopts::Options& options) {
  std::vector<std::string> names;
  for (const std::string& group : options.groups()) {
    for (const auto& option : options.group_help(group).options) {
      for (const std::string& name : option.l) names.push_back("--" + name);
    }
  }
  return names;
}

void refuse_unknown(const cxxopts::Options& options, const std::vector<std::string>& unmatched) {
  for (const std::string& argument : unmatched) {
    if (!argument.starts_with("-")) usage_error("unexpected argument", argument, "see dreamfusion --help");
    const std::string name = argument.substr(0, argument.find('='));
    const std::string nearest = nearest_match(name, option_names(options));
    usage_error("unknown option " + name, "", nearest.empty() ? "see --help" : "did you mean " + nearest + "?");
  }
}

}  // namespace

cxxopts::ParseResult parse_arguments(cxxopts::Options& options, const Arguments& arguments) {
  std::vector<std::string> texts = {options.program()};
  bool options_end = false;
  for (const std::string& argument : arguments) {
    options_end = options_end || argument == "--";
    texts.push_back(options_end ? argument : with_dashes(argument));
  }
  std::vector<const char*> argv;
  for (const std::string& text : texts) argv.push_back(text.c_str());
  options.allow_unrecognised_options();
  try {
    cxxopts::ParseResult parsed = options.parse(static_cast<int>(argv.size()), argv.data());
    refuse_unknown(options, parsed.unmatched());
    return parsed;
  } catch (const cxxopts::exceptions::exception& fault) {
    usage_error("the command line cannot be read", fault.what(), "see dreamfusion --help");
  }
}

void add_common_options(cxxopts::Options& options) {
  options.add_options("Common")("device", "auto, cpu, cuda or cuda:N", cxxopts::value<std::string>(), "DEVICE")(
      "threads", "CPU threads; 0 = all cores", cxxopts::value<int>(), "N")(
      "log-level", "debug, info, warning, error or silent", cxxopts::value<std::string>()->default_value("info"), "LEVEL")(
      "h,help", "print this help");
}

bool handle_common_options(const cxxopts::Options& options, const cxxopts::ParseResult& parsed) {
  if (parsed.count("help") > 0) {
    std::string help = options.help();
    if (const auto at = help.find("(=)"); at != std::string::npos) help.erase(at, 3);  // cxxopts' way to say "RUN may be left out"
    std::cout << help;
    return true;
  }
  set_log_level(parse_log_level(parsed["log-level"].as<std::string>()));
  return false;
}

void usage_error(const std::string& what, const std::string& found, const std::string& fix) {
  throw UserError({what, "the command line", found, fix, ExitCode::kUsage});
}

std::string required_positional(const cxxopts::ParseResult& parsed, const std::string& name, const std::string& example) {
  if (parsed.count(name) == 0) usage_error("no " + name + " was named", "", "for example: " + example);
  return parsed[name].as<std::string>();
}

std::string shell_quoted(const Arguments& arguments) {
  constexpr std::string_view kSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:,+@%";
  std::string line;
  for (const std::string& argument : arguments) {
    if (!line.empty()) line += ' ';
    if (!argument.empty() && argument.find_first_not_of(kSafe) == std::string::npos) {
      line += argument;
      continue;
    }
    line += '\'';
    for (const char c : argument) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  return line;
}

}  // namespace dreamfusion
