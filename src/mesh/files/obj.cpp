#include "dreamfusion/mesh/mesh_files.h"

#include <charconv>

#include "files/axes.h"

namespace dreamfusion {
namespace {

/// Appends numbers and text; std::to_chars knows no locale and writes the shortest text that reads back as the same float.
class ObjText {
 public:
  void add(std::string_view text) { text_ += text; }
  void add(float value) { add_number(value); }
  void add(std::uint32_t value) { add_number(value); }
  template <std::size_t N>
  void add_vector(const std::array<float, N>& v) {
    for (const float component : v) {
      add(" ");
      add(component);
    }
  }
  const std::string& text() const { return text_; }

 private:
  template <class Number>
  void add_number(Number value) {
    char buffer[48];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    text_.append(buffer, end);
  }
  std::string text_;
};

/// One line whatever is in it.
std::string on_one_line(std::string text) {
  for (char& character : text) {
    if (static_cast<unsigned char>(character) < 0x20) character = ' ';
  }
  return text;
}

}  // namespace

std::string encode_obj(const TexturedMesh& textured, const Provenance& provenance, const std::string& material_file) {
  const Mesh& mesh = textured.mesh;
  const bool has_texture = textured.base_color.defined(), has_colors = !has_texture && !mesh.colors.empty();
  ObjText obj;
  obj.add("# dreamfusion " + on_one_line(provenance.version) + "\n# prompt: " + on_one_line(provenance.prompt) +
          "\n# seed: " + on_one_line(provenance.seed) + "\n# prior: " + on_one_line(provenance.prior) + " " +
          on_one_line(provenance.prior_hash) + "\n# y up, front towards +z, metres\n");
  if (has_colors) obj.add("# vertex colours follow the positions: v x y z r g b\n");
  if (has_texture) obj.add("mtllib " + material_file + "\n");
  obj.add("o object\n");
  for (std::size_t i = 0; i < mesh.positions.size(); ++i) {
    obj.add("v");
    obj.add_vector(y_up(mesh.positions[i]));
    if (has_colors) obj.add_vector(mesh.colors[i]);
    obj.add("\n");
  }
  for (std::size_t i = 0; has_texture && i < textured.unfolding.uvs.size(); ++i) {
    obj.add("vt");
    obj.add_vector(textured.unfolding.uvs[i]);
    obj.add("\n");
  }
  for (const auto& normal : mesh.normals) {
    obj.add("vn");
    obj.add_vector(y_up(normal));
    obj.add("\n");
  }
  if (has_texture) obj.add("usemtl object\n");
  obj.add("s 1\n");  // smooth shading
  for (std::size_t t = 0; t < mesh.triangles.size(); ++t) {
    obj.add("f");
    for (std::size_t corner = 0; corner < 3; ++corner) {
      const std::uint32_t vertex = mesh.triangles[t][corner] + 1;  // OBJ counts from 1
      obj.add(" ");
      obj.add(vertex);
      if (has_texture || !mesh.normals.empty()) obj.add("/");
      if (has_texture) obj.add(textured.unfolding.triangles[t][corner] + 1);
      if (mesh.normals.empty()) continue;
      obj.add("/");
      obj.add(vertex);
    }
    obj.add("\n");
  }
  return obj.text();
}

std::string encode_mtl(const std::string& texture_file, const std::string& normal_file) {
  // Matt: what shines would be light that the texture does not have.
  return "newmtl object\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nNs 0\nd 1\nillum 1\nmap_Kd " + texture_file + "\n" +
         (normal_file.empty() ? "" : "map_Bump -bm 1 " + normal_file + "\n");
}

}  // namespace dreamfusion
