#pragma once
/// The command line: cxxopts with the manners that every command shares.
#define CXXOPTS_VECTOR_DELIMITER '\0'  // prompts have commas
#include <cxxopts.hpp>
#include <string>
#include <vector>

namespace dreamfusion {

using Arguments = std::vector<std::string>;  ///< without the program's and the command's names

/// Parses `arguments`; dashes and underscores are equal in option names.
/// @throws UserError (usage): an unknown option (nearest name offered), a missing or wrong value.
cxxopts::ParseResult parse_arguments(cxxopts::Options& options, const Arguments& arguments);

/// Options that every command has: --device, --threads, --log-level, --help.
void add_common_options(cxxopts::Options& options);
/// Acts on --log-level. @return true when --help was asked for and has been printed.
bool handle_common_options(const cxxopts::Options& options, const cxxopts::ParseResult& parsed);

/// A UserError about the command line.
[[noreturn]] void usage_error(const std::string& what, const std::string& found, const std::string& fix);

/// The one value of the positional `name`; usage error when it was not given.
std::string required_positional(const cxxopts::ParseResult& parsed, const std::string& name, const std::string& example);

/// `arguments` as one line that a shell reads back.
std::string shell_quoted(const Arguments& arguments);

}  // namespace dreamfusion
