#include "dreamfusion/mesh/write_obj.h"

#include <charconv>
#include <sstream>

#include "dreamfusion/io/files.h"

namespace dreamfusion {
namespace {

/// Appends numbers and text; std::to_chars knows no locale and writes the shortest text that reads back as the same float.
class ObjText {
 public:
  void add(std::string_view text) { text_ += text; }
  void add(float value) { add_number(value); }
  void add(std::uint32_t value) { add_number(value); }
  void add_vector(const std::array<float, 3>& v) {
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

/// World (z up, front +x) to OBJ (y up, front +z): a cyclic exchange of axes, so triangles keep their sense of rotation.
std::array<float, 3> y_up(const std::array<float, 3>& world) { return {world[1], world[2], world[0]}; }

void add_comment(ObjText& obj, const std::string& comment) {
  std::istringstream lines(comment);
  for (std::string line; std::getline(lines, line);) {
    for (char& character : line) {
      if (character == '\r') character = ' ';
    }
    obj.add("# " + line + "\n");
  }
}

void add_corner(ObjText& obj, std::uint32_t vertex, bool has_normals) {
  obj.add(" ");
  obj.add(vertex + 1);  // OBJ counts from 1
  if (!has_normals) return;
  obj.add("//");
  obj.add(vertex + 1);
}

}  // namespace

void write_obj(const std::filesystem::path& path, const Mesh& mesh, const std::string& comment) {
  ObjText obj;
  add_comment(obj, comment);
  obj.add("# y up, front towards +z; vertex colours follow the positions: v x y z r g b\n");
  obj.add("o object\n");
  for (std::size_t i = 0; i < mesh.positions.size(); ++i) {
    obj.add("v");
    obj.add_vector(y_up(mesh.positions[i]));
    if (!mesh.colors.empty()) obj.add_vector(mesh.colors[i]);
    obj.add("\n");
  }
  for (const auto& normal : mesh.normals) {
    obj.add("vn");
    obj.add_vector(y_up(normal));
    obj.add("\n");
  }
  obj.add("s 1\n");  // smooth shading
  for (const auto& triangle : mesh.triangles) {
    obj.add("f");
    for (const std::uint32_t vertex : triangle) add_corner(obj, vertex, !mesh.normals.empty());
    obj.add("\n");
  }
  write_file_atomically(path, obj.text());
}

}  // namespace dreamfusion
