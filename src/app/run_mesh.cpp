/// The mesh of a run: made, judged, written, and told about.
#include <algorithm>
#include <chrono>
#include <iomanip>
#include <iostream>

#include <nlohmann/json.hpp>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/core/memory.h"
#include "dreamfusion/core/version.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/io/image.h"
#include "dreamfusion/mesh/mesh_files.h"
#include "dreamfusion/mesh/mesh_report.h"
#include "run_mesh.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kPreviewEdge = 256;
/// How far from the mesh a texel's colour is looked for, in density samples.
constexpr double kBakeReach = 2.0;

Provenance provenance_of(const FinishedRun& run) {
  Provenance from{run.config.prompt, std::to_string(run.config.seed), run.config.prior, "", version()};
  try {
    const auto notes = nlohmann::json::parse(read_file(run.folder / "run.json"));
    from.prior = notes.at("prior").at("name").get<std::string>();
    from.prior_hash = notes.at("prior").at("hash").get<std::string>();
  } catch (const std::exception&) {  // a run that was stopped early has none yet: the config's words serve
  }
  return from;
}

bool wants(const MeshConfig& config, const std::string& format) {
  return std::find(config.formats.begin(), config.formats.end(), format) != config.formats.end();
}

std::string as_text(const std::vector<unsigned char>& bytes) { return {bytes.begin(), bytes.end()}; }

using Files = std::vector<std::pair<fs::path, std::string>>;

Files files_of(const TexturedMesh& textured, const MeshConfig& config, const Provenance& provenance, const fs::path& stem) {
  const auto with = [&](const char* ending) { return fs::path(stem.string() + ending); };
  Files files;
  if (wants(config, "obj")) {
    if (textured.base_color.defined()) {
      files.emplace_back(with(".png"), as_text(encode_png(textured.base_color)));
      const bool has_normals = textured.normal_map.defined();
      if (has_normals) files.emplace_back(with("_normal.png"), as_text(encode_png(textured.normal_map)));
      files.emplace_back(with(".mtl"), encode_mtl(with(".png").filename().string(), has_normals ? with("_normal.png").filename().string() : ""));
    }
    files.emplace_back(with(".obj"), encode_obj(textured, provenance, with(".mtl").filename().string()));
  }
  if (wants(config, "glb")) files.emplace_back(with(".glb"), encode_glb(textured, provenance));
  if (wants(config, "ply")) files.emplace_back(with(".ply"), encode_ply(textured.mesh, provenance));
  if (wants(config, "stl")) files.emplace_back(with(".stl"), encode_stl(textured.mesh));
  return files;
}

void print_table(const MeshReport& report) {
  for (const auto& [name, value] : to_rows(report)) std::cout << "  " << std::left << std::setw(27) << name << value << "\n";
}

}  // namespace

FinishedMesh make_mesh(const FinishedRun& run) {
  const auto start = std::chrono::steady_clock::now();
  const MeshConfig& config = run.config.mesh;
  log_info("extracting the mesh");
  FinishedMesh made{extract_mesh(*run.scene.field, &run.scene.occupancy, config), {}};
  stop_if_interrupted("the checkpoint is safe: dreamfusion export " + run.folder.string());
  made.textured = untextured(made.extracted.mesh);
  if (config.texture_size > 0) {
    log_info("baking the texture");
    made.textured = bake_texture(made.extracted.mesh, unfold_mesh(made.extracted.mesh, config.texture_size), *run.scene.field, &run.scene.occupancy,
                                 config.texture_size, kBakeReach * made.extracted.spacing);
    if (config.normal_map) bake_normal_map(made.textured, made.extracted.surface(*run.scene.field, &run.scene.occupancy), config.texture_size);
  }
  stop_if_interrupted("the checkpoint is safe: dreamfusion export " + run.folder.string());
  made.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return made;
}

void write_mesh(const FinishedRun& run, FinishedMesh made, const fs::path& stem, bool strict, const nlohmann::ordered_json& notes) {
  const auto start = std::chrono::steady_clock::now();
  const MeshConfig& config = run.config.mesh;
  const Field& field = *run.scene.field;
  MeshReport report = judge_mesh(made.extracted, made.textured, field, &run.scene.occupancy);
  const at::Tensor preview = preview_mesh(made.textured, kPreviewEdge);
  place_mesh(made.textured.mesh, config.placement);

  Files files = files_of(made.textured, config, provenance_of(run), stem);
  report.seconds = made.seconds + std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::size_t models = files.size();
  auto json = nlohmann::ordered_json::parse(to_json(report));
  json["peak_memory_bytes"] = peak_resident_bytes();
  json.update(notes);
  files.emplace_back(stem.string() + "_report.json", json.dump(2) + "\n");
  files.emplace_back(stem.string() + "_preview.png", as_text(encode_png(preview)));
  write_files_atomically(files);
  for (std::size_t i = 0; i < models; ++i) {
    const std::string ending = files[i].first.extension().string();
    if (ending != ".png" && ending != ".mtl") std::cout << "mesh       " << files[i].first.string() << "\n";
  }
  std::cout << "preview    " << stem.string() << "_preview.png\n";
  print_table(report);
  std::cout << std::flush;
  const std::vector<std::string> faults = mesh_faults(report);
  for (const std::string& fault : faults) log_warning("mesh: " + fault);
  if (strict && !faults.empty()) {
    throw UserError({"the mesh does not pass the strict check", stem.string() + "_report.json", faults.front() + (faults.size() > 1 ? ", and " + std::to_string(faults.size() - 1) + " more" : ""),
                     "see the report; a higher mesh.min_component drops small pieces, mesh.target_faces=0 keeps every face"});
  }
}

}  // namespace dreamfusion
