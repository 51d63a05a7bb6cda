/// What this machine and this build can do.
#include <ATen/Parallel.h>

#include <iostream>

#include "commands.h"
#include "dreamfusion/core/device.h"
#include "dreamfusion/core/resources.h"
#include "dreamfusion/core/version.h"
#include "dreamfusion/guidance/diffusion_prior.h"
#include "dreamfusion/guidance/prior_pack.h"

namespace dreamfusion {

ExitCode command_doctor(const Arguments& arguments) {
  cxxopts::Options options("dreamfusion doctor", "Checks the program, the machine and the prior that ships.\n");
  options.custom_help("[OPTIONS]");
  add_common_options(options);
  const cxxopts::ParseResult parsed = parse_arguments(options, arguments);
  if (handle_common_options(options, parsed)) return ExitCode::kDone;

  std::cout << "dreamfusion " << version() << "\n" << build_description() << "gpu           " << describe_gpu() << "\n"
            << "cpu threads   " << at::get_num_threads() << "\n";
  const std::filesystem::path configs = find_resource("configs/base.json");
  std::cout << "presets       " << (configs.empty() ? "not found" : configs.parent_path().string()) << "\n";
  const PriorPack pack = PriorPack::open(find_prior(""));
  const auto prior = load_prior(pack, parse_device("cpu"));
  const GoldenCheck check = verify_golden(pack, *prior);
  std::cout << "prior         " << pack.folder().string() << (check.passed ? ": whole\n" : ": computes something else than it should\n");
  return check.passed ? ExitCode::kDone : ExitCode::kFailed;
}

}  // namespace dreamfusion
