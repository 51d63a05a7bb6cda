#pragma once
/// Options of the field: what represents the object, and the shape that it starts from.
#include <cstdint>
#include <string>
#include <vector>

#include "dreamfusion/config/values.h"

namespace dreamfusion {

struct HashFieldConfig {
  std::vector<std::int64_t> resolutions = {12, 24, 48};
  std::int64_t features = 4;
  std::int64_t table_log2 = 19;
  std::int64_t width = 32;

  template <class V>
  void visit(V& v) {
    v.option("resolutions", resolutions, "vertices along an edge of each grid level", Interval{4, 1024});
    v.option("features", features, "features a grid vertex; 1, 2, 4 and 8 have fast kernels", Interval{1, 8});
    v.option("table_log2", table_log2, "levels with more than 2^this vertices are hashed into a table of that size (Instant-NGP)", Interval{8, 24});
    v.option("width", width, "width of the network's hidden layer", Interval{4, 256});
  }
};

struct MlpFieldConfig {
  std::int64_t octaves = 8;
  ScheduledValue lambda_sigma{{{{0.0, true}, 5e-2, 2e-3, {1.0 / 3.0, true}}}};
  std::int64_t blocks = 5;
  std::int64_t width = 128;
  std::int64_t chunk = 4096;
  std::string matmul = "float32";

  template <class V>
  void visit(V& v) {
    v.option("octaves", octaves, "frequencies 2⁰ … 2^(octaves−1) of the integrated positional encoding (DreamFusion: 8)", Interval{1, 16});
    v.option("lambda_sigma", lambda_sigma, "standard deviation of the Gaussian that each point stands for [world units]: large blurs high frequencies away (DreamFusion: 0.05 to 0.002 in 5,000 steps)", Interval{0, 10});
    v.option("blocks", blocks, "residual blocks (DreamFusion: 5)", Interval{1, 32});
    v.option("width", width, "width of the hidden layers (DreamFusion: 128)", Interval{4, 1024});
    v.option("chunk", chunk, "points whose activations are in memory at a time: the backward pass computes them again, chunk by chunk; 0 = keep all", Interval{0, 1e9});
    v.choice("matmul", matmul, "type of the operands of the blocks' matrix products; sums and everything else are float32. bfloat16 is faster on processors with AVX-512 BF16 or AMX and on GPUs, slower on others", {"float32", "bfloat16"});
  }
};

struct FieldConfig {
  std::string type = "hash";
  double bounding_radius = 1.0;
  std::string density_activation = "softplus";
  double density_bias = 0.0;
  std::string density_init = "magic3d";
  double blob_strength = 10.0;
  double blob_radius = 0.5;
  std::string normals = "auto";
  double normal_step = 0.035;
  HashFieldConfig hash;
  MlpFieldConfig mlp;

  template <class V>
  void visit(V& v) {
    v.choice("type", type, "representation of the object: hash = multi-resolution feature grid + small network (fast), mlp = the paper's network on encoded positions", {"hash", "mlp"});
    v.option("bounding_radius", bounding_radius, "the object lives inside this sphere around the origin [world units] (DreamFusion: 1.4)", Interval{0.1, 10});
    v.choice("density_activation", density_activation, "raw network output to density (DreamFusion: exp)", {"softplus", "exp"});
    v.option("density_bias", density_bias, "added to the raw density before its activation; −1 with exp keeps the first fog thin (mip-NeRF 360)", Interval{-20, 20});
    v.choice("density_init", density_init, "initial blob: magic3d = strength·(1 − r/radius) before the activation; dreamfusion = strength·exp(−r²/2radius²) added to the density, as the paper says; dreamfusion_pre = the same before the activation, as open implementations do", {"magic3d", "dreamfusion", "dreamfusion_pre", "none"});
    v.option("blob_strength", blob_strength, "height of the initial blob (DreamFusion: 5)", Interval{0, 1000});
    v.option("blob_radius", blob_radius, "radius of the initial blob [world units] (DreamFusion: 0.2)", Interval{0.01, 10});
    v.choice("normals", normals, "−∇density: analytic = by differentiation, with second-order gradients; finite_difference = from three more densities; auto = analytic for mlp, finite_difference for hash", {"auto", "analytic", "finite_difference"});
    v.option("normal_step", normal_step, "step of finite differences [world units]", Interval{1e-4, 0.5});
    v.section("hash", hash, "field.type=hash");
    v.section("mlp", mlp, "field.type=mlp");
  }
};

struct InitMeshConfig {
  std::string file;
  std::string up_axis = "y";
  double turn_deg = 0.0;
  double extent = 0.6;
  double density = 30.0;
  std::int64_t steps = 200;

  template <class V>
  void visit(V& v) {
    v.option("file", file, "OBJ file of the shape that the run starts from, instead of the blob (docs/init-mesh.md); empty = none");
    v.choice("up_axis", up_axis, "axis that points up in the file: y = as Blender writes OBJ and this program too, the front looks along +z; z = the front looks along +x", {"y", "z"});
    v.option("turn_deg", turn_deg, "turns the shape about the vertical, counter-clockwise from above: for a front that looks elsewhere", Interval{-360, 360});
    v.option("extent", extent, "distance of the shape's farthest corner from its middle, as a share of bounding_radius", Interval{0.05, 1});
    v.option("density", density, "density inside the shape [1/world unit]: the denser, the longer it holds out against the prior", Interval{1, 1000});
    v.option("steps", steps, "steps of the fit that the field takes to the shape, before step 0", Interval{1, 100000});
  }
};

}  // namespace dreamfusion
