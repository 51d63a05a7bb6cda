#include "dreamfusion/app/app.h"

#include <c10/util/Exception.h>

#include <iostream>
#include <map>
#include <new>

#include "commands.h"
#include "dreamfusion/core/device.h"
#include "dreamfusion/core/interrupt.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/core/memory.h"
#include "dreamfusion/core/text.h"

namespace dreamfusion {
namespace {

using Command = ExitCode (*)(const Arguments&);

const std::map<std::string, Command>& commands() {
  static const std::map<std::string, Command> table = {{"generate", command_generate}, {"render", command_render},
                                                       {"export", command_export},     {"refine", command_refine},
                                                       {"eval", command_eval},
                                                       {"prior", command_prior},       {"bench", command_bench},
                                                       {"doctor", command_doctor}};
  return table;
}

/// The first argument names a command, unless it is an option or a key=value of the main job.
ExitCode dispatch(Arguments arguments) {
  if (arguments.empty() || arguments[0].starts_with("-") || arguments[0].find('=') != std::string::npos) {
    return command_generate(arguments);
  }
  const std::string name = arguments[0];
  const auto command = commands().find(name);
  if (command == commands().end()) {
    std::vector<std::string> names;
    for (const auto& [known, function] : commands()) names.push_back(known);
    const std::string nearest = nearest_match(name, names);
    usage_error("unknown command " + name, "",
                nearest.empty() ? "a sentence goes behind --prompt; see dreamfusion --help" : "did you mean " + nearest + "?");
  }
  arguments.erase(arguments.begin());
  return command->second(arguments);
}

int report(const std::string& message, ExitCode code) {
  log_error(message);
  return static_cast<int>(code);
}

}  // namespace

int run_app(int argc, char** argv) {
  install_interrupt_handler();
  keep_freed_memory();
  install_memory_counter();
  try {
    return static_cast<int>(dispatch(Arguments(argv + 1, argv + argc)));
  } catch (const UserError& fault) {
    return report(fault.what(), fault.exit_code());
  } catch (const c10::OutOfMemoryError& fault) {
    return report(std::string("out of memory: lower render.train_resolution or train.batch_size, or raise --memory-budget\n") +
                      fault.what_without_backtrace(), ExitCode::kFailed);
  } catch (const c10::Error& fault) {
    return report(std::string("internal error in a tensor operation: ") + fault.what_without_backtrace(), ExitCode::kFailed);
  } catch (const std::bad_alloc&) {
    return report("out of memory: lower render.train_resolution, train.batch_size or mesh.resolution", ExitCode::kFailed);
  } catch (const std::exception& fault) {
    return report(std::string("internal error: ") + fault.what(), ExitCode::kFailed);
  }
}

}  // namespace dreamfusion
