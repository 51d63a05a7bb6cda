/// Mesh and turntable of a run, from its newest checkpoint alone.
#include <sstream>

#include "commands.h"
#include "dreamfusion/config/load.h"
#include "dreamfusion/core/error.h"
#include "dreamfusion/io/files.h"
#include "run_mesh.h"
#include "session.h"

namespace dreamfusion {

namespace {

/// Told at once, not after the work. @param stem  empty: the run's folder, which was read from
void check_place_for(const std::filesystem::path& stem) {
  if (stem.empty()) return;
  const std::filesystem::path folder = stem.has_parent_path() ? stem.parent_path() : std::filesystem::path(".");
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored))
    throw UserError({"the mesh cannot be written there", folder.string(), "no such folder", "create the folder, or choose another with -o"});
  ensure_writable_folder(folder);
}

}  // namespace

ExitCode command_export(const Arguments& arguments) {
  cxxopts::Options options("dreamfusion export", "The mesh (and turntable) of a run from its newest checkpoint.\n");
  options.custom_help("RUN [OPTIONS] [key=value …]");
  options.positional_help("");
  options.add_options()("run", "run folder", cxxopts::value<std::string>(), "RUN")(
      "o,output", "FILE.obj, .glb, .ply or .stl; its companions stand beside it (default: RUN/mesh.obj and RUN/mesh.glb)", cxxopts::value<std::string>(), "FILE")(
      "mesh-format", "obj, glb, ply, stl, or several with commas", cxxopts::value<std::string>(), "LIST")(
      "texture-size", "edge of the texture [texels]; 0 = vertex colours", cxxopts::value<std::string>(), "N")(
      "normal-map", "also a texture of the surface's normals")(
      "target-faces,decimate-target", "triangles to merge down to; 0 = all", cxxopts::value<std::string>(), "N")(
      "placement", "ground, center or world", cxxopts::value<std::string>(), "WHERE")(
      "strict", "exit with 1 when the mesh has faults (see the report)")(
      "turntable", "render RUN/turntable anew as well")(
      "resolution", "density samples along an edge of the object's box", cxxopts::value<std::string>(), "N")(
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
  const std::pair<const char*, const char*> shorthands[] = {{"resolution", "mesh.resolution"}, {"isosurface-threshold", "mesh.isosurface_threshold"},
                                                            {"texture-size", "mesh.texture_size"},
                                                            {"target-faces", "mesh.target_faces"}, {"placement", "mesh.placement"}};
  std::filesystem::path stem;
  if (parsed.count("output") > 0) {
    const std::filesystem::path file = parsed["output"].as<std::string>();
    const std::string ending = file.extension().string();
    if (ending != ".obj" && ending != ".glb" && ending != ".ply" && ending != ".stl")
      usage_error("--output wants a file whose ending says the format", file.string(), "name it .obj, .glb, .ply or .stl");
    stem = file;
    stem.replace_extension();
    if (parsed.count("mesh-format") == 0) overrides.push_back("mesh.formats=[\"" + ending.substr(1) + "\"]");
  }
  if (parsed.count("mesh-format") > 0) {
    std::string list;
    std::istringstream formats(parsed["mesh-format"].as<std::string>());
    for (std::string format; std::getline(formats, format, ',');) list += (list.empty() ? "\"" : ", \"") + format + "\"";
    overrides.push_back("mesh.formats=[" + list + "]");
  }
  for (const auto& [flag, key] : shorthands) {
    if (parsed.count(flag) > 0) overrides.push_back(std::string(key) + "=" + parsed[flag].as<std::string>());
  }
  if (parsed.count("normal-map") > 0) overrides.push_back("mesh.normal_map=true");
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
  check_place_for(stem);
  if (parsed.count("turntable") > 0) write_run_turntable(run, run.folder / "turntable");
  write_mesh(run, make_mesh(run), stem.empty() ? run.folder / "mesh" : stem, parsed.count("strict") > 0);
  return ExitCode::kDone;
}

}  // namespace dreamfusion
