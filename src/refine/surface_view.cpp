#include "dreamfusion/refine/surface_view.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <map>

#include "dreamfusion/core/transfer.h"
#include "dreamfusion/ops/rasterize.h"

namespace dreamfusion {
namespace {

/// Nearer to the camera plane than this share of the camera's distance nothing is drawn.
constexpr double kNearShare = 1e-3;

/// [V, 3] → column, row, 1/depth; 1/depth = 0 before the near plane.
at::Tensor project(const at::Tensor& positions, const Camera& camera, std::int64_t height, std::int64_t width) {
  const at::Tensor pose =
      send(at::tensor(at::ArrayRef<double>(camera.world_from_camera.data(), 16), at::kDouble).view({4, 4}).to(positions.scalar_type()), positions.device());
  const at::Tensor in_camera = at::matmul(positions - pose.slice(0, 0, 3).select(1, 3), pose.slice(0, 0, 3).slice(1, 0, 3));
  const double focal = 0.5 * static_cast<double>(height) / std::tan(0.5 * camera.fov_y), near = kNearShare * camera.distance;
  const at::Tensor depth = -in_camera.select(1, 2), in_front = depth > near, inverse = depth.clamp_min(near).reciprocal();
  const at::Tensor column = 0.5 * static_cast<double>(width) + focal * in_camera.select(1, 0) * inverse;
  const at::Tensor row = 0.5 * static_cast<double>(height) - focal * in_camera.select(1, 1) * inverse;
  return at::stack({column, row, inverse * in_front}, 1);
}

/// Twice the signed area of p, q and r [N, 2 or more: column, row, …] in the image: [N].
at::Tensor signed_area(const at::Tensor& p, const at::Tensor& q, const at::Tensor& r) {
  const auto along = [&](const at::Tensor& to, std::int64_t axis) { return to.select(1, axis) - p.select(1, axis); };
  return along(q, 0) * along(r, 1) - along(q, 1) * along(r, 0);
}

}  // namespace

SurfaceTopology surface_topology(const Mesh& mesh, c10::Device device) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::array<std::int64_t, 2>> sides;
  at::Tensor triangles = at::empty({static_cast<std::int64_t>(mesh.triangles.size()), 3}, at::kLong);
  auto* to = triangles.mutable_data_ptr<std::int64_t>();
  for (std::size_t t = 0; t < mesh.triangles.size(); ++t) {
    for (std::size_t i = 0; i < 3; ++i) {
      const std::uint32_t a = mesh.triangles[t][i], b = mesh.triangles[t][(i + 1) % 3];
      *to++ = a;
      auto& side = sides.try_emplace({std::min(a, b), std::max(a, b)}, std::array<std::int64_t, 2>{-1, -1}).first->second;
      side[side[0] < 0 ? 0 : 1] = static_cast<std::int64_t>(t);
    }
  }
  at::Tensor edges = at::empty({static_cast<std::int64_t>(sides.size()), 4}, at::kLong);
  auto* edge = edges.mutable_data_ptr<std::int64_t>();
  for (const auto& [ends, side] : sides) {
    *edge++ = ends.first;
    *edge++ = ends.second;
    *edge++ = side[0];
    *edge++ = side[1];
  }
  return {triangles.to(device), edges.to(device)};
}

at::Tensor vertex_normals(const at::Tensor& positions, const SurfaceTopology& topology) {
  const auto corner = [&](std::int64_t i) { return positions.index_select(0, topology.triangles.select(1, i)); };
  const at::Tensor a = corner(0), area_vector = at::linalg_cross(corner(1) - a, corner(2) - a);
  at::Tensor sum = at::zeros_like(positions);
  for (std::int64_t i = 0; i < 3; ++i) sum = sum.index_add(0, topology.triangles.select(1, i), area_vector);
  return sum / (sum.square().sum(-1, true) + 1e-24).sqrt();
}

at::Tensor smooth_normals(at::Tensor normals, const SurfaceTopology& topology, int rings) {
  const at::Tensor first = topology.edges.select(1, 0), second = topology.edges.select(1, 1);
  const auto unit = [](const at::Tensor& v) { return v / (v.square().sum(-1, true) + 1e-24).sqrt(); };
  for (int ring = 0; ring < rings; ++ring) {
    const at::Tensor sums = at::zeros_like(normals).index_add(0, first, normals.index_select(0, second)).index_add(0, second, normals.index_select(0, first));
    normals = unit(normals + unit(sums));
  }
  return normals;
}

SurfaceView::SurfaceView(const SurfaceTopology& topology, const at::Tensor& positions, const Camera& camera, std::int64_t height,
                         std::int64_t width)
    : topology_(topology), height_(height), width_(width), corners_(project(positions, camera, height, width)) {
  triangle_at_ = ops::rasterize_triangles(corners_.detach(), topology.triangles.to(at::kInt), height, width).view({-1}).to(at::kLong);
  pixel_ = (triangle_at_ >= 0).nonzero().squeeze(-1);
  vertex_ = topology.triangles.index_select(0, triangle_at_.index_select(0, pixel_));
  const at::Tensor centre = at::stack({pixel_.remainder(width), pixel_.floor_divide(width)}, 1).to(corners_.scalar_type()) + 0.5;
  const auto corner = [&](std::int64_t i) { return corners_.index_select(0, vertex_.select(1, i)); };
  const at::Tensor a = corner(0), b = corner(1), c = corner(2);
  // Shares in the image times 1/depth are in proportion to those in space.
  const at::Tensor weight = at::stack({signed_area(b, c, centre) * a.select(1, 2), signed_area(c, a, centre) * b.select(1, 2),
                                       signed_area(a, b, centre) * c.select(1, 2)}, 1);
  shares_ = weight / weight.sum(1, true);
}

at::Tensor SurfaceView::interpolate(const at::Tensor& values) const {
  const at::Tensor at_corners = values.index_select(0, vertex_.reshape({-1})).view({-1, 3, values.size(1)});
  return (at_corners * shares_.unsqueeze(-1)).sum(1);
}

/// Where outlines pass between two neighbouring pixels, one in front of the other. Legend: N such places.
struct SurfaceView::Outline {
  at::Tensor front, behind;  ///< [N] int64 pixels
  at::Tensor reach;          ///< [N] from the front pixel's centre towards the other's, 0 … 1, with history
};

SurfaceView::Outline SurfaceView::outline() const {
  const at::Tensor fixed = corners_.detach();
  at::Tensor edges;  // silhouettes: one side faces the camera and the other does not
  {
    const auto corner = [&](std::int64_t i) { return fixed.index_select(0, topology_.triangles.select(1, i)); };
    const at::Tensor faces = signed_area(corner(0), corner(1), corner(2)) > 0;
    const at::Tensor first = topology_.edges.select(1, 2), second = topology_.edges.select(1, 3);
    const at::Tensor turns = (second < 0) | (faces.index_select(0, first) != faces.index_select(0, second.clamp_min(0)));
    const at::Tensor seen = (fixed.select(1, 2).index_select(0, topology_.edges.select(1, 0)) > 0) &
                            (fixed.select(1, 2).index_select(0, topology_.edges.select(1, 1)) > 0);
    edges = topology_.edges.index_select(0, (turns & seen).nonzero().squeeze(-1));
  }
  const at::Tensor a = corners_.index_select(0, edges.select(1, 0)), b = corners_.index_select(0, edges.select(1, 1));
  at::Tensor depth_at = at::zeros({height_ * width_}, fixed.options());  // 1/depth of what a pixel sees
  depth_at = depth_at.index_put({pixel_}, interpolate(fixed.slice(1, 2, 3).clamp_min(1e-12).reciprocal()).squeeze(-1).detach().reciprocal());

  std::vector<at::Tensor> fronts, behinds, reaches, keys;
  for (const std::int64_t along : {0, 1}) {  // pairs of columns, which lines of a row's centres join; then pairs of rows
    const std::int64_t across = 1 - along, lines = across == 1 ? height_ : width_, places = along == 0 ? width_ : height_;
    const at::Tensor low = at::minimum(a.select(1, across), b.select(1, across)).detach();
    const at::Tensor high = at::maximum(a.select(1, across), b.select(1, across)).detach();
    const auto first_centre = [&](const at::Tensor& x) { return (x - 0.5).ceil().clamp(0, static_cast<double>(lines)).to(at::kLong); };
    // Steep edges by rows and level ones by columns: each moves the picture once, and by its exact share of a pixel.
    const at::Tensor rise = (high - low), run = (a.select(1, along) - b.select(1, along)).detach().abs();
    const at::Tensor first = first_centre(low), count = (first_centre(high) - first).clamp_min(0) * (along == 0 ? rise >= run : rise > run);
    const at::Tensor which = at::repeat_interleave(count);  // the edge of each crossing
    const at::Tensor before = count.cumsum(0) - count;
    const at::Tensor line = first.index_select(0, which) + at::arange(which.size(0), which.options()) - before.index_select(0, which);
    const at::Tensor p = a.index_select(0, which), q = b.index_select(0, which);
    const at::Tensor centre = line.to(p.scalar_type()) + 0.5;
    const at::Tensor share = (centre - p.select(1, across)) / (q.select(1, across) - p.select(1, across));
    const at::Tensor place = p.select(1, along) + share * (q.select(1, along) - p.select(1, along));
    const at::Tensor inverse = (p.select(1, 2) + share * (q.select(1, 2) - p.select(1, 2))).detach();
    const at::Tensor left = (place.detach() - 0.5).floor();
    const at::Tensor inside = ((left >= 0) & (left < static_cast<double>(places - 1))).nonzero().squeeze(-1);
    const at::Tensor column = left.index_select(0, inside).to(at::kLong), row = line.index_select(0, inside);
    const at::Tensor one = along == 0 ? row * width_ + column : column * width_ + row;
    const at::Tensor other = one + (along == 0 ? 1 : width_);
    const at::Tensor fraction = place.index_select(0, inside) - left.index_select(0, inside) - 0.5;
    const at::Tensor at_one = depth_at.index_select(0, one), at_other = depth_at.index_select(0, other), edge = inverse.index_select(0, inside);
    const at::Tensor one_is_front = at_one >= at_other;
    const at::Tensor near = at::maximum(at_one, at_other), far = at::minimum(at_one, at_other);
    // It is the front one's outline, and neither one that it hides nor one in front of both.
    const at::Tensor its = (triangle_at_.index_select(0, one) != triangle_at_.index_select(0, other)) & ((edge - near).abs() < (edge - far).abs());
    const at::Tensor kept = its.nonzero().squeeze(-1);
    const auto of = [&](const at::Tensor& t) { return t.index_select(0, kept); };
    fronts.push_back(of(at::where(one_is_front, one, other)));
    behinds.push_back(of(at::where(one_is_front, other, one)));
    reaches.push_back(of(at::where(one_is_front, fraction, 1.0 - fraction)));
    keys.push_back(of(one) + along * height_ * width_);
  }
  Outline found{at::cat(fronts), at::cat(behinds), at::cat(reaches)};
  // Of several outlines between the same two pixels the one that reaches farthest; of equals the first.
  const at::Tensor key = at::cat(keys), fixed_reach = found.reach.detach(), order = at::arange(key.size(0), key.options());
  const at::Tensor farthest = at::full({2 * height_ * width_}, -1.0, fixed_reach.options()).scatter_reduce(0, key, fixed_reach, "amax");
  const at::Tensor is_farthest = fixed_reach >= farthest.index_select(0, key);
  const at::Tensor first = at::full({2 * height_ * width_}, key.size(0), key.options())
                               .scatter_reduce(0, key, at::where(is_farthest, order, at::full_like(order, key.size(0))), "amin");
  const at::Tensor kept = (order == first.index_select(0, key)).nonzero().squeeze(-1);
  return {found.front.index_select(0, kept), found.behind.index_select(0, kept), found.reach.index_select(0, kept)};
}

at::Tensor SurfaceView::image(const at::Tensor& colors, const at::Tensor& background) const {
  const std::int64_t channels = colors.size(1);
  const at::Tensor empty = at::cat({background.to(colors.options()), at::zeros({1}, colors.options())}).expand({height_ * width_, channels + 1});
  const at::Tensor seen = at::cat({colors, at::ones({colors.size(0), 1}, colors.options())}, 1);
  const at::Tensor plain = empty.index_put({pixel_}, seen);
  const Outline between = outline();
  const at::Tensor in_front = plain.index_select(0, between.front), behind = plain.index_select(0, between.behind);
  const at::Tensor spill = (between.reach - 0.5).clamp_min(0).unsqueeze(-1), lack = (0.5 - between.reach).clamp_min(0).unsqueeze(-1);
  return plain.index_add(0, between.behind, spill * (in_front - behind))
      .index_add(0, between.front, lack * (behind - in_front))
      .view({height_, width_, channels + 1});
}

}  // namespace dreamfusion
