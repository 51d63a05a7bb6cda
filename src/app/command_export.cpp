/// Mesh and turntable of a run, from its newest checkpoint alone.
#include "commands.h"
#include "dreamfusion/config/load.h"
#include "session.h"

namespace dreamfusion {

ExitCode command_export(const Arguments& arguments) {
  cxxopts::Options options("dreamfusion export", "The mesh (and turntable) of a run from its newest checkpoint.\n");
  options.custom_help("RUN [OPTIONS] [key=value …]");
  options.positional_help("");
  options.add_options()("run", "run folder", cxxopts::value<std::string>(), "RUN")(
      "o,output", "OBJ file (default: RUN/mesh.obj)", cxxopts::value<std::string>(), "FILE")(
      "turntable", "render RUN/turntable anew as well")(
      "resolution", "density samples along an edge of the object's box", cxxopts::value<std::int64_t>(), "N")(
      "isosurface-threshold", "density of the surface; 0 = found automatically", cxxopts::value<std::string>(), "X")(
      "overrides", "key=value for mesh.… and turntable.…", cxxopts::value<std::vector<std::string>>(), "KEY=VALUE");
  add_common_options(options);
  options.parse_positional({"run", "overrides"});
  const cxxopts::ParseResult parsed = parse_arguments(options, arguments);
  if (handle_common_options(options, parsed)) return ExitCode::kDone;
  const std::string folder = required_positional(parsed, "run", "dreamfusion export outputs/a-red-mushroom-1234abcd");

  std::vector<std::string> overrides = common_overrides(parsed);
  if (parsed.count("overrides") > 0) {
    for (const std::string& text : parsed["overrides"].as<std::vector<std::string>>()) overrides.push_back(text);
  }
  if (parsed.count("resolution") > 0) {
    overrides.push_back("mesh.resolution=" + std::to_string(parsed["resolution"].as<std::int64_t>()));
  }
  if (parsed.count("isosurface-threshold") > 0) {
    overrides.push_back("mesh.isosurface_threshold=" + parsed["isosurface-threshold"].as<std::string>());
  }
  FinishedRun run = open_run(folder, common_overrides(parsed));
  const Config wanted = load_run_config(folder, overrides);
  run.config.mesh = wanted.mesh;
  run.config.turntable = wanted.turntable;
  if (config_to_json(run.config) != config_to_json(wanted)) {
    std::string found;
    for (const std::string& text : overrides) found += (found.empty() ? "" : " ") + text;
    usage_error("export takes options of mesh and turntable only", found, "for example mesh.resolution=128");
  }
  if (run.config.mesh.resolution == 0) usage_error("mesh.resolution is 0: there is nothing to export", "", "--resolution 96");
  write_mesh(run, parsed.count("output") > 0 ? std::filesystem::path(parsed["output"].as<std::string>())
                                             : run.folder / "mesh.obj");
  if (parsed.count("turntable") > 0) write_run_turntable(run, run.folder / "turntable");
  return ExitCode::kDone;
}

}  // namespace dreamfusion
