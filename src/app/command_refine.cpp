/// A run's mesh, refined under the guidance that made the run.
#include "commands.h"
#include "dreamfusion/config/load.h"
#include "dreamfusion/guidance/prior_pack.h"
#include "dreamfusion/train/prior_fit.h"
#include "run_refine.h"
#include "session.h"

namespace dreamfusion {

ExitCode command_refine(const Arguments& arguments) {
  cxxopts::Options options("dreamfusion refine",
                           "Shapes and colours a run's mesh further, as a mesh, under the run's guidance: RUN/refined.obj, .glb, …\n"
                           "Stopped with Ctrl-C it goes on where it was when it is called again.\n");
  options.custom_help("RUN [OPTIONS] [key=value …]");
  options.positional_help("");
  options.add_options()("run", "run folder", cxxopts::value<std::string>(), "RUN")(
      "steps", "steps under the guidance", cxxopts::value<std::string>(), "N")(
      "resolution", "density samples along an edge of the object's box", cxxopts::value<std::string>(), "N")(
      "texture-size", "edge of the texture [texels]; 0 = vertex colours", cxxopts::value<std::string>(), "N")(
      "target-faces,decimate-target", "triangles of the mesh; 0 = all", cxxopts::value<std::string>(), "N")(
      "strict", "exit with 1 when the mesh has faults (see the report)")(
      "prior", "pack to be guided by (default: the run's)", cxxopts::value<std::string>(), "PACK")(
      "overrides", "key=value for refine.…, mesh.… and guidance.…", cxxopts::value<std::vector<std::string>>(), "KEY=VALUE");
  add_common_options(options);
  options.parse_positional({"run", "overrides"});
  const cxxopts::ParseResult parsed = parse_arguments(options, arguments);
  if (handle_common_options(options, parsed)) return ExitCode::kDone;
  const std::string folder = required_positional(parsed, "run", "dreamfusion refine outputs/a-red-mushroom-1234abcd");

  std::vector<std::string> overrides = common_overrides(parsed);
  for (const std::string& text : key_value_arguments(parsed)) {
    if (!text.starts_with("refine.") && !text.starts_with("mesh.") && !text.starts_with("guidance."))
      usage_error("refine takes options of refine, mesh and guidance only", text, "for example refine.steps=500");
    overrides.push_back(text);
  }
  constexpr std::pair<const char*, const char*> shorthands[] = {
      {"steps", "refine.steps"}, {"resolution", "mesh.resolution"}, {"texture-size", "mesh.texture_size"}, {"target-faces", "mesh.target_faces"}};
  for (const auto& [flag, key] : shorthands) {
    if (parsed.count(flag) > 0) overrides.push_back(std::string(key) + "=" + parsed[flag].as<std::string>());
  }
  if (parsed.count("prior") > 0) overrides.push_back("prior=" + parsed["prior"].as<std::string>());
  FinishedRun run = open_run(folder, overrides);
  if (run.config.mesh.resolution == 0) usage_error("mesh.resolution is 0: there is no mesh to refine", "", "--resolution 128");
  const PriorPack pack = PriorPack::open(find_prior(run.config.prior));
  check_prior_fits(run.config, pack.manifest());
  PriorOptions prior = prior_options(run.config);
  check_weights_fit(run.config, pack, prior);
  prior.embedding_cache = run.folder / "embeddings.safetensors";
  return refine_run(run, pack, *load_prior(pack, prior), parsed.count("strict") > 0);
}

}  // namespace dreamfusion
