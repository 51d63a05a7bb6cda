#pragma once
/// The mesh of a run: made, judged, written, and told about.
#include <nlohmann/json.hpp>

#include "dreamfusion/mesh/extract.h"
#include "dreamfusion/mesh/texture.h"
#include "session.h"

namespace dreamfusion {

struct FinishedMesh {
  ExtractedMesh extracted;
  TexturedMesh textured;  ///< in world coordinates
  double seconds = 0;     ///< that it took to make
};

/// As the run's config says. @throws UserError when there is no surface, or Ctrl-C was pressed
FinishedMesh make_mesh(const FinishedRun& run);

/// STEM.obj, .mtl, .png, .glb, .ply, .stl as the config says, STEM_report.json and STEM_preview.png, all or none. Prints the files and
/// what is true of the mesh.
/// @param notes  an object whose entries are added to the report
/// @throws UserError in a strict check that fails, after everything is written
void write_mesh(const FinishedRun& run, FinishedMesh made, const std::filesystem::path& stem, bool strict, const nlohmann::ordered_json& notes = nlohmann::ordered_json::object());

}  // namespace dreamfusion
