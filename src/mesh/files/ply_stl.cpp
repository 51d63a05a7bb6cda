#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "dreamfusion/mesh/mesh_files.h"
#include "shape/geometry.h"

namespace dreamfusion {
namespace {

static_assert(std::endian::native == std::endian::little, "both formats are little-endian");

template <class Value>
void append(std::string& bytes, const Value& value) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  bytes.append(raw, sizeof value);
}

std::string on_one_line(std::string text) {
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  return text;
}

}  // namespace

std::string encode_ply(const Mesh& mesh, const Provenance& provenance) {
  std::string bytes = "ply\nformat binary_little_endian 1.0\ncomment dreamfusion " + on_one_line(provenance.version) +
                      "\ncomment prompt: " + on_one_line(provenance.prompt) + "\ncomment seed: " + on_one_line(provenance.seed) +
                      "\ncomment z up, metres\nelement vertex " + std::to_string(mesh.positions.size()) +
                      "\nproperty float x\nproperty float y\nproperty float z\n";
  if (!mesh.normals.empty()) bytes += "property float nx\nproperty float ny\nproperty float nz\n";
  if (!mesh.colors.empty()) bytes += "property uchar red\nproperty uchar green\nproperty uchar blue\n";
  bytes += "element face " + std::to_string(mesh.triangles.size()) + "\nproperty list uchar uint vertex_indices\nend_header\n";
  for (std::size_t v = 0; v < mesh.positions.size(); ++v) {
    append(bytes, mesh.positions[v]);
    if (!mesh.normals.empty()) append(bytes, mesh.normals[v]);
    for (std::size_t k = 0; k < 3 && !mesh.colors.empty(); ++k)
      append(bytes, static_cast<std::uint8_t>(std::lround(255.0f * std::clamp(mesh.colors[v][k], 0.0f, 1.0f))));
  }
  for (const auto& triangle : mesh.triangles) {
    append(bytes, std::uint8_t{3});
    append(bytes, triangle);
  }
  return bytes;
}

std::string encode_stl(const Mesh& mesh) {
  std::string bytes = "dreamfusion: binary STL, z up, metres";
  bytes.resize(80, ' ');
  append(bytes, static_cast<std::uint32_t>(mesh.triangles.size()));
  for (const auto& triangle : mesh.triangles) {
    const Point n = doubled_area_vector(point(mesh, triangle[0]), point(mesh, triangle[1]), point(mesh, triangle[2]));
    const double length = std::max(std::sqrt(dot(n, n)), 1e-30);
    append(bytes, std::array<float, 3>{static_cast<float>(n[0] / length), static_cast<float>(n[1] / length), static_cast<float>(n[2] / length)});
    for (const std::uint32_t vertex : triangle) append(bytes, mesh.positions[vertex]);
    append(bytes, std::uint16_t{0});
  }
  return bytes;
}

}  // namespace dreamfusion
