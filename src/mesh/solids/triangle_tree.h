#pragma once
/// The triangles of a mesh in a tree of boxes: who is nearest, and how often the surface winds around a point.
#include <vector>

#include "shape/geometry.h"

namespace dreamfusion {

struct Triangle {
  Point a{}, b{}, c{};
  Point centre() const { return {(a[0] + b[0] + c[0]) / 3, (a[1] + b[1] + c[1]) / 3, (a[2] + b[2] + c[2]) / 3}; }
};

class TriangleTree {
 public:
  /// @param mesh  at least one triangle
  explicit TriangleTree(const Mesh& mesh);

  struct Nearest {
    double squared_distance;
    Point point;             ///< on the triangle
    std::uint32_t triangle;  ///< place in triangles()
  };
  Nearest nearest(const Point& p) const;

  /// Σ of the triangles' solid angles over 4π: 1 inside of a closed surface that faces outwards, 0 outside (Jacobson et al., SIGGRAPH
  /// 2013). Boxes that are far away for their size count as one dipole (Barill et al., SIGGRAPH 2018, first order).
  double winding_number(const Point& p) const;

  const std::vector<Triangle>& triangles() const { return triangles_; }  ///< in the tree's order

 private:
  struct Node {
    Point low{}, high{};     // box
    Point centre{}, area{};  // of the dipole: area-weighted mean of the triangles' centres, sum of their area vectors
    double radius = 0.0;     // no corner of the box is farther from `centre`
    std::uint32_t first = 0, count = 0;  // triangles
    std::uint32_t right = 0;             // the second child (the first one comes next); 0: a leaf
  };
  std::uint32_t build(std::uint32_t first, std::uint32_t count);
  void find_nearest(std::uint32_t node, const Point& p, Nearest& best) const;
  double solid_angle(std::uint32_t node, const Point& p) const;

  std::vector<Triangle> triangles_;
  std::vector<Node> nodes_;
};

}  // namespace dreamfusion
