#include "solids/triangle_tree.h"

#include <limits>
#include <numbers>

namespace dreamfusion {
namespace {

constexpr std::uint32_t kLeaf = 6;  // triangles
constexpr double kFar = 3.0;        // radii from which a box is a dipole: off by less than 0.02 of a winding

Point plus_scaled(const Point& a, const Point& b, double scale) { return {a[0] + scale * b[0], a[1] + scale * b[1], a[2] + scale * b[2]}; }

double squared_distance_to_box(const Point& p, const Point& low, const Point& high) {
  double sum = 0.0;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double outside = std::max({low[axis] - p[axis], p[axis] - high[axis], 0.0});
    sum += outside * outside;
  }
  return sum;
}

/// Ericson, Real-Time Collision Detection, 5.1.5: the region of the plane that p projects to decides.
Point closest_point(const Triangle& t, const Point& p) {
  const Point ab = minus(t.b, t.a), ac = minus(t.c, t.a), ap = minus(p, t.a), bp = minus(p, t.b), cp = minus(p, t.c);
  const double d1 = dot(ab, ap), d2 = dot(ac, ap), d3 = dot(ab, bp), d4 = dot(ac, bp), d5 = dot(ab, cp), d6 = dot(ac, cp);
  if (d1 <= 0 && d2 <= 0) return t.a;
  if (d3 >= 0 && d4 <= d3) return t.b;
  if (d6 >= 0 && d5 <= d6) return t.c;
  const double vc = d1 * d4 - d3 * d2, vb = d5 * d2 - d1 * d6, va = d3 * d6 - d5 * d4;
  if (vc <= 0 && d1 >= 0 && d3 <= 0) return plus_scaled(t.a, ab, d1 / (d1 - d3));
  if (vb <= 0 && d2 >= 0 && d6 <= 0) return plus_scaled(t.a, ac, d2 / (d2 - d6));
  if (va <= 0 && d4 >= d3 && d5 >= d6) return plus_scaled(t.b, minus(t.c, t.b), (d4 - d3) / ((d4 - d3) + (d5 - d6)));
  return plus_scaled(plus_scaled(t.a, ab, vb / (va + vb + vc)), ac, vc / (va + vb + vc));
}

/// Van Oosterom & Strackee, "The solid angle of a plane triangle" (1983); positive seen from behind.
double solid_angle_of(const Triangle& t, const Point& p) {
  const Point a = minus(t.a, p), b = minus(t.b, p), c = minus(t.c, p);
  const double la = std::sqrt(dot(a, a)), lb = std::sqrt(dot(b, b)), lc = std::sqrt(dot(c, c));
  return 2.0 * std::atan2(dot(a, cross(b, c)), la * lb * lc + dot(a, b) * lc + dot(b, c) * la + dot(c, a) * lb);
}

}  // namespace

TriangleTree::TriangleTree(const Mesh& mesh) {
  triangles_.reserve(mesh.triangles.size());
  for (const auto& t : mesh.triangles) triangles_.push_back({point(mesh, t[0]), point(mesh, t[1]), point(mesh, t[2])});
  build(0, static_cast<std::uint32_t>(triangles_.size()));
}

std::uint32_t TriangleTree::build(std::uint32_t first, std::uint32_t count) {
  Node node;
  node.first = first;
  node.count = count;
  node.low = node.high = triangles_[first].a;
  double total = 0.0;
  Point low_centre = triangles_[first].centre(), high_centre = low_centre;
  for (std::uint32_t i = first; i < first + count; ++i) {
    const Triangle& t = triangles_[i];
    const Point doubled = doubled_area_vector(t.a, t.b, t.c), middle = t.centre();
    const double area = 0.5 * std::sqrt(dot(doubled, doubled));
    total += area;
    node.area = plus_scaled(node.area, doubled, 0.5);
    node.centre = plus_scaled(node.centre, middle, area);
    for (std::size_t axis = 0; axis < 3; ++axis) {
      node.low[axis] = std::min({node.low[axis], t.a[axis], t.b[axis], t.c[axis]});
      node.high[axis] = std::max({node.high[axis], t.a[axis], t.b[axis], t.c[axis]});
      low_centre[axis] = std::min(low_centre[axis], middle[axis]);
      high_centre[axis] = std::max(high_centre[axis], middle[axis]);
    }
  }
  std::size_t longest = 0;
  double squared_radius = 0.0;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    node.centre[axis] = total > 0 ? node.centre[axis] / total : low_centre[axis];
    const double reach = std::max(node.centre[axis] - node.low[axis], node.high[axis] - node.centre[axis]);
    squared_radius += reach * reach;
    if (high_centre[axis] - low_centre[axis] > high_centre[longest] - low_centre[longest]) longest = axis;
  }
  node.radius = std::sqrt(squared_radius);
  const auto place = static_cast<std::uint32_t>(nodes_.size());
  nodes_.push_back(node);
  if (count <= kLeaf) return place;
  const std::uint32_t half = count / 2;
  std::nth_element(triangles_.begin() + first, triangles_.begin() + first + half, triangles_.begin() + first + count,
                   [longest](const Triangle& s, const Triangle& t) { return s.centre()[longest] < t.centre()[longest]; });
  build(first, half);
  const std::uint32_t right = build(first + half, count - half);
  nodes_[place].right = right;
  return place;
}

TriangleTree::Nearest TriangleTree::nearest(const Point& p) const {
  Nearest best{std::numeric_limits<double>::infinity(), {}, 0};
  find_nearest(0, p, best);
  return best;
}

void TriangleTree::find_nearest(std::uint32_t place, const Point& p, Nearest& best) const {
  const Node& node = nodes_[place];
  if (node.right == 0) {
    for (std::uint32_t i = node.first; i < node.first + node.count; ++i) {
      const Point q = closest_point(triangles_[i], p), away = minus(p, q);
      if (const double squared = dot(away, away); squared < best.squared_distance) best = {squared, q, i};
    }
    return;
  }
  std::uint32_t nearer = place + 1, farther = node.right;
  double near_distance = squared_distance_to_box(p, nodes_[nearer].low, nodes_[nearer].high);
  double far_distance = squared_distance_to_box(p, nodes_[farther].low, nodes_[farther].high);
  if (far_distance < near_distance) std::swap(nearer, farther), std::swap(near_distance, far_distance);
  if (near_distance < best.squared_distance) find_nearest(nearer, p, best);
  if (far_distance < best.squared_distance) find_nearest(farther, p, best);
}

double TriangleTree::winding_number(const Point& p) const { return solid_angle(0, p) / (4.0 * std::numbers::pi); }

double TriangleTree::solid_angle(std::uint32_t place, const Point& p) const {
  const Node& node = nodes_[place];
  const Point towards = minus(node.centre, p);
  const double squared = dot(towards, towards);
  if (squared > kFar * kFar * node.radius * node.radius) return dot(node.area, towards) / (squared * std::sqrt(squared));
  if (node.right != 0) return solid_angle(place + 1, p) + solid_angle(node.right, p);
  double sum = 0.0;
  for (std::uint32_t i = node.first; i < node.first + node.count; ++i) sum += solid_angle_of(triangles_[i], p);
  return sum;
}

}  // namespace dreamfusion
