#pragma once
/// The object's colour in an image. Legend: V vertices, T triangles, U corners of the unfolded mesh, S texels along an edge.
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "dreamfusion/field/field.h"
#include "dreamfusion/mesh/mesh.h"
#include "dreamfusion/mesh/rasterize.h"
#include "dreamfusion/render/occupancy_grid.h"

namespace dreamfusion {

/// Where each triangle lies in the image. u to the right, v upwards, both in [0, 1].
struct Unfolding {
  std::vector<std::array<float, 2>> uvs;                ///< U
  std::vector<std::array<std::uint32_t, 3>> triangles;  ///< T, into uvs, in the order of the mesh's
  std::int64_t charts = 0;
};
/// Cuts the mesh into charts, flattens them and packs them without overlap (xatlas), with gaps for an image of S² texels.
/// @throws UserError when the mesh cannot be unfolded
Unfolding unfold_mesh(const Mesh& mesh, std::int64_t size);

/// How good an unfolding is.
struct UnfoldingQuality {
  double covered = 0;           ///< share of the image that triangles cover
  double overlap = 0;           ///< share of the covered texels that two triangles or more cover with their insides
  double stretch = 1;           ///< L² stretch (Sander et al., SIGGRAPH 2001, eq. 3), 1 = none anywhere
  double texels_per_unit = 0;   ///< mean texels along a world unit
};
UnfoldingQuality inspect_unfolding(const Mesh& mesh, const Unfolding& unfolding, std::int64_t size);

struct TexturedMesh {
  Mesh mesh;
  Unfolding unfolding;
  at::Tensor base_color;  ///< [S, S, 3] float32 in [0, 1], row 0 at the top (v = 1); undefined = the vertices' colours
  /// [S, S, 3] float32 in [0, 1], (n + 1)/2 of normals n along tangent, bitangent and normal; undefined = those of the vertices serve
  at::Tensor normal_map = {};
  std::vector<std::array<float, 4>> tangents = {};  ///< U with a normal map: unit tangent towards growing u, and the bitangent's sign
};

/// Bakes the field's albedo, without light. A texel gets what cameras all around see at its place on the mesh: rays through the volume
/// to the surface, weighted by the cosine at which they meet it, those left out that the mesh hides; a short ray along the
/// mesh's normal decides where no camera looks. Texels around the charts are filled from their neighbours, so that filtering finds no
/// seams.
/// @param mesh    with normals
/// @param grid    also says on which device the field lives; null = nothing skipped, a field on the CPU
/// @param reach   how far in front of the mesh the short ray begins, world units
TexturedMesh bake_texture(const Mesh& mesh, const Unfolding& unfolding, const Field& field, const OccupancyGrid* grid, std::int64_t size,
                          double reach);

/// The surface of a field on which its density has one value.
struct LevelSurface {
  const Field& field;
  c10::Device device;  ///< of the field
  double level;        ///< 1/world-unit
  double step;         ///< over which slopes are taken where the surface is as soft, world units: what is smaller does not show in normals
};

/// Adds a normal map: at each texel the normal of the surface there where it agrees with the mesh's, in the frame of the mesh's tangents. A mesh
/// of few faces is then lit like the surface that it stands for.
/// @param textured  with texture coordinates and normals
void bake_normal_map(TexturedMesh& textured, const LevelSurface& surface, std::int64_t size);

/// The normals that a renderer finds at each pixel of a view, unit length: [H, W, 3]; zero where nothing is. The normal map's (nearest
/// texel), or without one those of the vertices.
at::Tensor normal_view(const TexturedMesh& textured, const MeshView& view);

/// Paints the texture with colours of one's own: `color` gets the vertices' `values` (V, for example places) at texels [N, 3] and gives
/// their colours [N, 3] on the CPU.
TexturedMesh paint_texture(const Mesh& mesh, const Unfolding& unfolding, std::int64_t size, const std::vector<std::array<float, 3>>& values,
                           const std::function<at::Tensor(const at::Tensor&)>& color);

/// The texture (bilinear), or without one the vertices' colours, at each pixel of a view: [H, W, 3]; `empty` where nothing is.
at::Tensor texture_view(const TexturedMesh& textured, const MeshView& view, float empty = 1.0f);

/// The mesh itself, rasterised, from four sides in two rows: in its colours, and as clay under a light from above. [2·E, 4·E, 3]
at::Tensor preview_mesh(const TexturedMesh& textured, std::int64_t edge);

}  // namespace dreamfusion
