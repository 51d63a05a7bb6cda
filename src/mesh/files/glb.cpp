#include <tiny_gltf.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <sstream>
#include <stdexcept>

#include "dreamfusion/io/image.h"
#include "dreamfusion/mesh/mesh_files.h"
#include "files/axes.h"

namespace dreamfusion {
namespace {

/// Gathers the one binary buffer of the file.
class Buffer {
 public:
  explicit Buffer(tinygltf::Model& model) : model_(model) { model_.buffers.resize(1); }

  int add_view(const void* data, std::size_t size, int target) {
    auto& bytes = model_.buffers[0].data;
    bytes.resize((bytes.size() + 3) / 4 * 4, 0);
    tinygltf::BufferView view;
    view.buffer = 0;
    view.byteOffset = bytes.size();
    view.byteLength = size;
    view.target = target;
    const auto* first = static_cast<const unsigned char*>(data);
    bytes.insert(bytes.end(), first, first + size);
    model_.bufferViews.push_back(view);
    return static_cast<int>(model_.bufferViews.size()) - 1;
  }

  template <class Element>
  int add_accessor(const std::vector<Element>& values, int component, int type, int target, bool bounds = false) {
    tinygltf::Accessor accessor;
    accessor.bufferView = add_view(values.data(), values.size() * sizeof(Element), target);
    accessor.componentType = component;
    accessor.type = type;
    accessor.count = values.size();
    if constexpr (requires(const Element& e) { e.size(); }) {
      for (std::size_t axis = 0; bounds && axis < values[0].size(); ++axis) {
        const auto [low, high] = std::minmax_element(values.begin(), values.end(), [&](const Element& a, const Element& b) { return a[axis] < b[axis]; });
        accessor.minValues.push_back(static_cast<double>((*low)[axis]));
        accessor.maxValues.push_back(static_cast<double>((*high)[axis]));
      }
    }
    model_.accessors.push_back(accessor);
    return static_cast<int>(model_.accessors.size()) - 1;
  }

 private:
  tinygltf::Model& model_;
};

/// glTF has one index a corner: vertices at seams are there once for each place in the texture.
struct Corners {
  std::vector<std::array<float, 3>> positions, normals, colors;
  std::vector<std::array<float, 2>> uvs;
  std::vector<std::array<float, 4>> tangents;
  std::vector<std::uint32_t> indices;
};

Corners corners_of(const TexturedMesh& textured) {
  const Mesh& mesh = textured.mesh;
  const bool has_texture = textured.base_color.defined();
  Corners corners;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> known;
  for (std::size_t t = 0; t < mesh.triangles.size(); ++t) {
    for (std::size_t i = 0; i < 3; ++i) {
      const std::uint32_t vertex = mesh.triangles[t][i], uv = has_texture ? textured.unfolding.triangles[t][i] : 0;
      const auto [at, is_new] = known.try_emplace({vertex, uv}, static_cast<std::uint32_t>(corners.positions.size()));
      if (is_new) {
        corners.positions.push_back(y_up(mesh.positions[vertex]));
        if (!mesh.normals.empty()) corners.normals.push_back(y_up(mesh.normals[vertex]));
        if (!has_texture && !mesh.colors.empty()) corners.colors.push_back(mesh.colors[vertex]);
        // v downwards
        if (has_texture) corners.uvs.push_back({textured.unfolding.uvs[uv][0], 1.0f - textured.unfolding.uvs[uv][1]});
        if (!textured.tangents.empty()) {
          const auto& [x, y, z, sign] = textured.tangents[uv];
          const std::array<float, 3> turned = y_up({x, y, z});
          corners.tangents.push_back({turned[0], turned[1], turned[2], sign});
        }
      }
      corners.indices.push_back(at->second);
    }
  }
  return corners;
}

/// Vertex colours are linear in glTF, ours are as an image's.
float linear_of(float srgb) { return srgb <= 0.04045f ? srgb / 12.92f : std::pow((srgb + 0.055f) / 1.055f, 2.4f); }

}  // namespace

std::string encode_glb(const TexturedMesh& textured, const Provenance& provenance) {
  tinygltf::Model model;
  model.asset.version = "2.0";
  model.asset.generator = "dreamfusion " + provenance.version;
  model.asset.extras = tinygltf::Value(tinygltf::Value::Object{{"prompt", tinygltf::Value(provenance.prompt)},
                                                               {"seed", tinygltf::Value(provenance.seed)},
                                                               {"prior", tinygltf::Value(provenance.prior)},
                                                               {"prior_sha256", tinygltf::Value(provenance.prior_hash)},
                                                               {"version", tinygltf::Value(provenance.version)}});
  Buffer buffer(model);
  Corners corners = corners_of(textured);
  tinygltf::Primitive primitive;
  primitive.mode = TINYGLTF_MODE_TRIANGLES;
  primitive.material = 0;
  primitive.indices = buffer.add_accessor(corners.indices, TINYGLTF_COMPONENT_TYPE_UNSIGNED_INT, TINYGLTF_TYPE_SCALAR, TINYGLTF_TARGET_ELEMENT_ARRAY_BUFFER);
  const auto attribute = [&](const char* name, const auto& values, int type, bool bounds = false) {
    if (!values.empty()) primitive.attributes[name] = buffer.add_accessor(values, TINYGLTF_COMPONENT_TYPE_FLOAT, type, TINYGLTF_TARGET_ARRAY_BUFFER, bounds);
  };
  attribute("POSITION", corners.positions, TINYGLTF_TYPE_VEC3, true);
  attribute("NORMAL", corners.normals, TINYGLTF_TYPE_VEC3);
  attribute("TANGENT", corners.tangents, TINYGLTF_TYPE_VEC4);
  attribute("TEXCOORD_0", corners.uvs, TINYGLTF_TYPE_VEC2);
  for (auto& color : corners.colors) {
    for (float& channel : color) channel = linear_of(channel);
  }
  attribute("COLOR_0", corners.colors, TINYGLTF_TYPE_VEC3);

  tinygltf::Material material;
  material.name = "object";
  material.pbrMetallicRoughness.metallicFactor = 0.0;
  material.pbrMetallicRoughness.roughnessFactor = 1.0;
  if (textured.base_color.defined()) {
    tinygltf::Sampler sampler;
    sampler.magFilter = TINYGLTF_TEXTURE_FILTER_LINEAR;
    sampler.minFilter = TINYGLTF_TEXTURE_FILTER_LINEAR_MIPMAP_LINEAR;
    sampler.wrapS = sampler.wrapT = TINYGLTF_TEXTURE_WRAP_CLAMP_TO_EDGE;
    model.samplers.push_back(sampler);
    const auto add_texture = [&](const char* name, const at::Tensor& texels) {
      const std::vector<unsigned char> png = encode_png(texels);
      tinygltf::Image image;
      image.name = name;
      image.mimeType = "image/png";
      image.bufferView = buffer.add_view(png.data(), png.size(), 0);
      model.images.push_back(image);
      tinygltf::Texture texture;
      texture.source = static_cast<int>(model.images.size()) - 1;
      texture.sampler = 0;
      model.textures.push_back(texture);
      return static_cast<int>(model.textures.size()) - 1;
    };
    material.pbrMetallicRoughness.baseColorTexture.index = add_texture("base color", textured.base_color);
    if (textured.normal_map.defined()) material.normalTexture.index = add_texture("normals", textured.normal_map);
  }
  model.materials.push_back(material);
  tinygltf::Mesh mesh;
  mesh.name = "object";
  mesh.primitives.push_back(primitive);
  model.meshes.push_back(mesh);
  tinygltf::Node node;
  node.name = "object";
  node.mesh = 0;
  model.nodes.push_back(node);
  tinygltf::Scene scene;
  scene.nodes.push_back(0);
  model.scenes.push_back(scene);
  model.defaultScene = 0;

  std::ostringstream out;
  tinygltf::TinyGLTF writer;
  if (!writer.WriteGltfSceneToStream(&model, out, /*prettyPrint=*/false, /*writeBinary=*/true)) throw std::runtime_error("the GLB could not be encoded");
  return out.str();
}

}  // namespace dreamfusion
