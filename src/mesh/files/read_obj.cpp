#include "dreamfusion/mesh/read_obj.h"

#include <tiny_obj_loader.h>

#include <charconv>
#include <cmath>
#include <map>
#include <numbers>
#include <sstream>

#include "dreamfusion/core/error.h"
#include "dreamfusion/io/files.h"
#include "files/axes.h"
#include "shape/geometry.h"

namespace dreamfusion {
namespace {

constexpr double kLargestCoordinate = 1e18;  // squares of differences stay finite in float32
constexpr const char* kExport = "write the shape as Wavefront OBJ with faces (in Blender: File, Export, Wavefront)";

/// What tinyobjloader takes in silence (it reads "nan" and "abc" as 0, and looks where an index points before there is a vertex) is
/// told here, with the line.
class ObjCheck {
 public:
  explicit ObjCheck(const std::filesystem::path& file) : file_(file.string()) {}

  void line(std::string_view text) {
    ++number_;
    const std::string_view kind = word(text);
    if (kind == "v") vertex(text);
    if (kind == "f") face(text);
  }

  void finish() {
    number_ = highest_line_;
    if (highest_ > vertices_) bad_index(std::to_string(highest_));
    if (faces_ > 0) return;
    const std::string found = vertices_ > 0 ? std::to_string(vertices_) + " vertices (v) and no faces (f)" : "neither vertices (v) nor faces (f)";
    throw UserError({.what = "the file has no faces", .where = file_, .found = found, .fix = kExport});
  }

 private:
  /// Takes the next word off the line.
  static std::string_view word(std::string_view& text) {
    constexpr std::string_view kSpace = " \t\r";
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
    const std::string_view found = text.substr(0, text.find_first_of(kSpace));
    text.remove_prefix(found.size());
    return found;
  }

  void vertex(std::string_view text) {
    ++vertices_;
    for (int axis = 0; axis < 3; ++axis) {
      const std::string_view found = word(text);
      const char* first = found.data() + (found.starts_with('+') ? 1 : 0);
      double value = 0.0;
      const auto [end, error] = std::from_chars(first, found.data() + found.size(), value);
      const bool tiny = error == std::errc::result_out_of_range && found.find("e-") != std::string_view::npos;  // as good as 0
      if (found.empty() || (error != std::errc() && !tiny) || end != found.data() + found.size() || !(std::abs(value) <= kLargestCoordinate)) {
        refuse("a vertex has a coordinate that is no number", found.empty() ? "the line ends" : "\"" + std::string(found) + "\"",
               "a vertex is \"v x y z\" with three finite numbers; " + std::string(kExport));
      }
    }
  }

  void face(std::string_view text) {
    ++faces_;
    for (std::string_view corner = word(text); !corner.empty(); corner = word(text)) {
      std::int64_t index = 0;
      const auto [end, error] = std::from_chars(corner.data(), corner.data() + corner.size(), index);
      const bool whole = error == std::errc() && (end == corner.data() + corner.size() || *end == '/');
      if (!whole || index == 0 || vertices_ + index < 0) bad_index(std::string(corner));
      if (index > highest_) highest_ = index, highest_line_ = number_;
    }
  }

  [[noreturn]] void bad_index(const std::string& found) const {
    refuse("a face names a vertex that is not there", "\"" + found + "\", and the file has " + std::to_string(vertices_) + " vertices" +
           (number_ == highest_line_ ? "" : " up to here"), "indices run from 1 to the number of vertices, or from −1 backwards; " + std::string(kExport));
  }

  [[noreturn]] void refuse(const std::string& what, const std::string& found, const std::string& fix) const {
    throw UserError({.what = what, .where = file_ + ", line " + std::to_string(number_), .found = found, .fix = fix});
  }

  std::string file_;
  std::int64_t number_ = 0, vertices_ = 0, faces_ = 0, highest_ = 0, highest_line_ = 0;
};

std::string checked_text(const std::filesystem::path& file) {
  std::string text = read_file(file);
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);  // else the first line would be lost
  if (text.find('\0') != std::string::npos) {
    throw UserError({.what = "the file is no Wavefront OBJ", .where = file.string(), .found = "binary data", .fix = kExport});
  }
  ObjCheck check(file);
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    check.line(std::string_view(text).substr(start, end - start));
    start = end + 1;
  }
  check.finish();
  return text;
}

/// Gives every place one vertex, in the order of use.
class Welder {
 public:
  explicit Welder(Mesh& mesh) : mesh_(mesh) {}
  std::uint32_t vertex(std::array<float, 3> position) {
    for (float& component : position) component += 0.0f;  // −0 is 0
    const auto [place, is_new] = vertices_.try_emplace(position, static_cast<std::uint32_t>(mesh_.positions.size()));
    if (is_new) mesh_.positions.push_back(position);
    return place->second;
  }

 private:
  Mesh& mesh_;
  std::map<std::array<float, 3>, std::uint32_t> vertices_;
};

/// Of faces: vertices that no face uses have no say.
template <class Body>
void for_each_corner(const Mesh& mesh, const Body& body) {
  for (const auto& triangle : mesh.triangles) {
    for (const std::uint32_t vertex : triangle) body(vertex);
  }
}

}  // namespace

Mesh read_obj(const std::filesystem::path& file, const std::string& up) {
  std::istringstream text(checked_text(file));
  tinyobj::attrib_t attributes;
  std::vector<tinyobj::shape_t> shapes;
  std::vector<tinyobj::material_t> materials;
  std::string warning, error;
  if (!tinyobj::LoadObj(&attributes, &shapes, &materials, &warning, &error, &text, /*readMatFn=*/nullptr, /*triangulate=*/true)) {
    throw UserError({.what = "the file is no Wavefront OBJ", .where = file.string(), .found = error.substr(0, error.find('\n')), .fix = kExport});
  }
  Mesh mesh;
  Welder welder(mesh);
  for (const tinyobj::shape_t& shape : shapes) {
    for (std::size_t corner = 0; corner + 2 < shape.mesh.indices.size(); corner += 3) {
      std::array<std::uint32_t, 3> triangle{};
      for (std::size_t i = 0; i < 3; ++i) {
        const float* v = &attributes.vertices[3 * static_cast<std::size_t>(shape.mesh.indices[corner + i].vertex_index)];
        triangle[i] = welder.vertex(up == "y" ? from_y_up({v[0], v[1], v[2]}) : std::array<float, 3>{v[0], v[1], v[2]});
      }
      if (!is_degenerate(mesh, triangle)) mesh.triangles.push_back(triangle);
    }
  }
  if (mesh.triangles.empty()) {
    throw UserError({.what = "no face of the file has an area", .where = file.string(),
                     .found = "all corners lie on a line or at one point", .fix = kExport});
  }
  return mesh;
}

void place_in_sphere(Mesh& mesh, double turn_deg, double radius) {
  const double turn = turn_deg * std::numbers::pi / 180.0, c = std::cos(turn), s = std::sin(turn);
  std::vector<Point> points;
  for (const auto& [x, y, z] : mesh.positions) points.push_back({c * x - s * y, s * x + c * y, z});
  Point low = points.at(mesh.triangles.at(0)[0]), high = low, middle{};
  for_each_corner(mesh, [&](std::uint32_t vertex) {
    for (std::size_t axis = 0; axis < 3; ++axis) {
      low[axis] = std::min(low[axis], points[vertex][axis]);
      high[axis] = std::max(high[axis], points[vertex][axis]);
    }
  });
  for (std::size_t axis = 0; axis < 3; ++axis) middle[axis] = 0.5 * (low[axis] + high[axis]);
  double farthest = 0.0;
  for_each_corner(mesh, [&](std::uint32_t vertex) {
    const Point p = minus(points[vertex], middle);
    farthest = std::max(farthest, std::sqrt(dot(p, p)));
  });
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t axis = 0; axis < 3; ++axis) {
      mesh.positions[i][axis] = static_cast<float>((points[i][axis] - middle[axis]) * (radius / farthest));
    }
  }
}

}  // namespace dreamfusion
