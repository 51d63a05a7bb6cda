#pragma once
/// Diffuse light from all around. Legend: N normals, H×W pixels.
#include <ATen/core/Tensor.h>

namespace dreamfusion {

/// The diffuse light of an equirectangular picture [H, W, 3] (values as stored, row 0 = straight up, middle column = +x, to its
/// left +y) as nine spherical harmonics [9, 3], the cosine lobe already applied and divided by π: what a white matt surface
/// sends back (Ramamoorthi & Hanrahan, "An Efficient Representation for Irradiance Environment Maps", SIGGRAPH 2001). A picture of
/// constant colour c gives c for every normal.
at::Tensor environment_irradiance(const at::Tensor& equirectangular);

/// [N, 3] light that falls on surfaces with unit normals [N, 3], ≥ 0.
at::Tensor environment_light(const at::Tensor& irradiance, const at::Tensor& normal);

}  // namespace dreamfusion
