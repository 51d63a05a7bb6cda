#include "dreamfusion/mesh/mesh_files.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <tiny_gltf.h>
#include <tiny_obj_loader.h>

#include <clocale>
#include <cmath>
#include <cstring>
#include <map>
#include <sstream>
#include <string>

#include "dreamfusion/core/rng.h"
#include "testing/mesh_shapes.h"

namespace dreamfusion {
namespace {

const Provenance kFrom{"a red box", "3", "starter-64", "0123abcd", "0.1.0"};

struct Loaded {
  tinyobj::attrib_t attributes;
  std::vector<tinyobj::shape_t> shapes;
  std::vector<tinyobj::material_t> materials;
};

Loaded load(const std::string& obj) {
  Loaded loaded;
  std::istringstream in(obj);
  std::string warning, error;
  EXPECT_TRUE(tinyobj::LoadObj(&loaded.attributes, &loaded.shapes, &loaded.materials, &warning, &error, &in)) << error;
  EXPECT_EQ(error, "");
  return loaded;
}

Mesh colored_box() {
  Mesh mesh = testing::box_mesh({-0.1f, -0.2f, -0.3f}, {0.7f, 0.123456789f, 1.0f / 3.0f});
  for (std::size_t i = 0; i < mesh.positions.size(); ++i) {
    mesh.colors.push_back({static_cast<float>(i) / 7.0f, 0.5f, 1e-8f});
    const float sign = mesh.positions[i][0] > 0 ? 1.0f : -1.0f;
    mesh.normals.push_back({sign, 0, 0});
  }
  return mesh;
}

TEST(EncodeObj, ReadsBackExactly) {
  const Mesh mesh = colored_box();
  const Loaded loaded = load(encode_obj(untextured(mesh), kFrom, ""));
  ASSERT_EQ(loaded.attributes.vertices.size(), 24u);
  ASSERT_EQ(loaded.attributes.colors.size(), 24u);
  ASSERT_EQ(loaded.attributes.normals.size(), 24u);
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t axis = 0; axis < 3; ++axis) {  // x = y of the world, y = z, z = x
      EXPECT_EQ(loaded.attributes.vertices[3 * i + axis], mesh.positions[i][(axis + 1) % 3]);
      EXPECT_EQ(loaded.attributes.normals[3 * i + axis], mesh.normals[i][(axis + 1) % 3]);
      EXPECT_EQ(loaded.attributes.colors[3 * i + axis], mesh.colors[i][axis]);
    }
  }
  ASSERT_EQ(loaded.shapes.size(), 1u);
  const auto& indices = loaded.shapes[0].mesh.indices;
  ASSERT_EQ(indices.size(), 36u);
  for (std::size_t i = 0; i < 36; ++i) {
    EXPECT_EQ(indices[i].vertex_index, static_cast<int>(mesh.triangles[i / 3][i % 3]));
    EXPECT_EQ(indices[i].normal_index, indices[i].vertex_index);
  }
}

TEST(EncodeObj, StandsUprightFacesTheViewerAndStaysOutward) {
  // Tall (z), with its front towards +x.
  const Mesh mesh = testing::box_mesh({0, -0.5f, 0}, {1, 0.5f, 3});
  const Loaded loaded = load(encode_obj(untextured(mesh), kFrom, ""));
  Mesh read;
  const auto& v = loaded.attributes.vertices;
  for (std::size_t i = 0; i < v.size(); i += 3) read.positions.push_back({v[i], v[i + 1], v[i + 2]});
  const auto& indices = loaded.shapes[0].mesh.indices;
  for (std::size_t i = 0; i < indices.size(); i += 3) {
    const auto index = [&](std::size_t k) { return static_cast<std::uint32_t>(indices[i + k].vertex_index); };
    read.triangles.push_back({index(0), index(1), index(2)});
  }
  const MeshShape report = inspect_mesh(read);
  EXPECT_EQ(report.high[1], 3);  // up is +y
  EXPECT_EQ(report.high[2], 1);  // the front is +z
  EXPECT_EQ(report.low[2], 0);
  EXPECT_NEAR(report.volume, 3, 1e-6);
}

TEST(EncodeObj, CommentsCannotBreakTheFile) {
  Provenance from = kFrom;
  from.prompt = "a\nv 9 9 9\r\nf 1 2 3";
  const std::string text = encode_obj(untextured(testing::box_mesh({0, 0, 0}, {1, 1, 1})), from, "");
  EXPECT_NE(text.find("# prompt: a v 9 9 9  f 1 2 3\n"), std::string::npos) << text.substr(0, 90);
  EXPECT_EQ(load(text).attributes.vertices.size(), 24u);
}

TEST(EncodeObj, MeshesMayLackNormalsAndColors) {
  const std::string text = encode_obj(untextured(testing::box_mesh({0, 0, 0}, {1, 1, 1})), kFrom, "");
  EXPECT_NE(text.find("\nf 1 3 4\n"), std::string::npos);
  EXPECT_EQ(text.find("vn"), std::string::npos);
}

/// A box whose six faces have places of their own in a texture of random texels.
TexturedMesh textured_box() {
  TexturedMesh textured = untextured(colored_box());
  textured.unfolding = unfold_mesh(textured.mesh, 64);
  textured.base_color = Rng(0, 0, RandomPurpose::kTest).uniform_tensor({64, 64, 3}).mul(255).round().div(255);
  return textured;
}

TEST(EncodeObj, TextureCoordinatesAndMaterialReadBack) {
  const TexturedMesh textured = textured_box();
  const std::string obj = encode_obj(textured, kFrom, "mesh.mtl");
  EXPECT_NE(obj.find("mtllib mesh.mtl\n"), std::string::npos);
  EXPECT_NE(obj.find("usemtl object\n"), std::string::npos);
  const Loaded loaded = load(obj);
  const auto& indices = loaded.shapes.at(0).mesh.indices;
  ASSERT_EQ(indices.size(), 3 * textured.mesh.triangles.size());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    EXPECT_EQ(indices[i].texcoord_index, static_cast<int>(textured.unfolding.triangles[i / 3][i % 3]));
    for (std::size_t k = 0; k < 2; ++k)
      EXPECT_EQ(loaded.attributes.texcoords[2 * static_cast<std::size_t>(indices[i].texcoord_index) + k], textured.unfolding.uvs[textured.unfolding.triangles[i / 3][i % 3]][k]);
  }
  std::istringstream mtl(encode_mtl("mesh.png"));
  std::map<std::string, int> names;
  std::vector<tinyobj::material_t> materials;
  std::string warning, error;
  tinyobj::LoadMtl(&names, &materials, &mtl, &warning, &error);
  EXPECT_EQ(warning + error, "");
  ASSERT_EQ(materials.size(), 1u);
  EXPECT_EQ(materials[0].name, "object");
  EXPECT_EQ(materials[0].diffuse_texname, "mesh.png");
  EXPECT_EQ(materials[0].bump_texname, "");

  std::istringstream with_normals(encode_mtl("mesh.png", "mesh_normal.png"));
  materials.clear();
  tinyobj::LoadMtl(&names, &materials, &with_normals, &warning, &error);
  EXPECT_EQ(warning + error, "");
  EXPECT_EQ(materials.at(0).bump_texname, "mesh_normal.png");
}

tinygltf::Model load_glb(const std::string& bytes) {
  tinygltf::TinyGLTF loader;
  tinygltf::Model model;
  std::string error, warning;
  EXPECT_TRUE(loader.LoadBinaryFromMemory(&model, &error, &warning, reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<unsigned>(bytes.size()))) << error;
  EXPECT_EQ(error + warning, "");
  return model;
}

template <class Element>
std::vector<Element> values_of(const tinygltf::Model& model, int accessor) {
  const auto& found = model.accessors.at(static_cast<std::size_t>(accessor));
  const auto& view = model.bufferViews.at(static_cast<std::size_t>(found.bufferView));
  std::vector<Element> values(found.count);
  std::memcpy(values.data(), model.buffers[0].data.data() + view.byteOffset + found.byteOffset, found.count * sizeof(Element));
  return values;
}

TEST(EncodeGlb, NormalMapAndTangentsReadBack) {
  TexturedMesh textured = textured_box();
  for (std::size_t i = 0; i < textured.unfolding.uvs.size(); ++i) textured.tangents.push_back({1, 0, 0, i % 2 == 0 ? 1.0f : -1.0f});
  textured.normal_map = at::full({64, 64, 3}, 0.4);
  const tinygltf::Model model = load_glb(encode_glb(textured, kFrom));
  const tinygltf::Primitive& primitive = model.meshes.at(0).primitives.at(0);
  const auto indices = values_of<std::uint32_t>(model, primitive.indices);
  const auto tangents = values_of<std::array<float, 4>>(model, primitive.attributes.at("TANGENT"));
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const float sign = textured.unfolding.triangles[i / 3][i % 3] % 2 == 0 ? 1.0f : -1.0f;
    EXPECT_EQ(tangents[indices[i]], (std::array<float, 4>{0, 0, 1, sign}));  // world x is the file's z
  }
  ASSERT_EQ(model.images.size(), 2u);
  const int texture = model.materials.at(0).normalTexture.index;
  EXPECT_EQ(model.textures.at(static_cast<std::size_t>(texture)).source, 1);
  EXPECT_EQ(model.images[1].image.at(0), 102);
  EXPECT_EQ(model.textures.at(static_cast<std::size_t>(model.materials[0].pbrMetallicRoughness.baseColorTexture.index)).source, 0);
}

TEST(EncodeGlb, ReadsBackExactlyWithTextureAndProvenance) {
  const TexturedMesh textured = textured_box();
  const tinygltf::Model model = load_glb(encode_glb(textured, kFrom));
  const tinygltf::Primitive& primitive = model.meshes.at(0).primitives.at(0);
  const auto indices = values_of<std::uint32_t>(model, primitive.indices);
  const auto positions = values_of<std::array<float, 3>>(model, primitive.attributes.at("POSITION"));
  const auto normals = values_of<std::array<float, 3>>(model, primitive.attributes.at("NORMAL"));
  const auto uvs = values_of<std::array<float, 2>>(model, primitive.attributes.at("TEXCOORD_0"));
  ASSERT_EQ(indices.size(), 3 * textured.mesh.triangles.size());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const std::uint32_t vertex = textured.mesh.triangles[i / 3][i % 3], uv = textured.unfolding.triangles[i / 3][i % 3];
    for (std::size_t axis = 0; axis < 3; ++axis) {
      EXPECT_EQ(positions[indices[i]][axis], textured.mesh.positions[vertex][(axis + 1) % 3]);
      EXPECT_EQ(normals[indices[i]][axis], textured.mesh.normals[vertex][(axis + 1) % 3]);
    }
    EXPECT_EQ(uvs[indices[i]][0], textured.unfolding.uvs[uv][0]);
    EXPECT_EQ(uvs[indices[i]][1], 1.0f - textured.unfolding.uvs[uv][1]);
  }
  const tinygltf::Image& image = model.images.at(0);
  ASSERT_EQ(image.width * image.height, 64 * 64);
  ASSERT_GE(image.component, 3);
  for (std::int64_t pixel = 0; pixel < 64 * 64; ++pixel) {
    for (std::int64_t k = 0; k < 3; ++k) {
      EXPECT_EQ(image.image[static_cast<std::size_t>(pixel * image.component + k)],
                std::lround(255 * textured.base_color.view({-1, 3})[pixel][k].item<float>()));
    }
  }
  EXPECT_EQ(model.asset.extras.Get("prompt").Get<std::string>(), "a red box");
  EXPECT_EQ(model.asset.extras.Get("seed").Get<std::string>(), "3");
  EXPECT_EQ(model.asset.extras.Get("prior_sha256").Get<std::string>(), "0123abcd");
  EXPECT_EQ(model.materials.at(0).pbrMetallicRoughness.metallicFactor, 0.0);
}

TEST(EncodeGlb, WithoutATextureVerticesAreColored) {
  const Mesh mesh = colored_box();
  const tinygltf::Model model = load_glb(encode_glb(untextured(mesh), kFrom));
  EXPECT_TRUE(model.images.empty());
  const auto colors = values_of<std::array<float, 3>>(model, model.meshes.at(0).primitives.at(0).attributes.at("COLOR_0"));
  EXPECT_NEAR(colors.at(0)[1], 0.2140f, 1e-3);  // 0.5 as an image has it, in linear light
}

TEST(EncodePlyAndStl, HoldEveryTriangle) {
  const Mesh mesh = colored_box();
  const std::string ply = encode_ply(mesh, kFrom), stl = encode_stl(mesh);
  const std::size_t body = ply.find("end_header\n") + 11;
  EXPECT_EQ(ply.size(), body + mesh.positions.size() * (6 * 4 + 3) + mesh.triangles.size() * 13);
  std::array<float, 3> last{};
  std::memcpy(last.data(), ply.data() + body + 7 * 27, sizeof last);
  EXPECT_EQ(last, mesh.positions[7]);
  EXPECT_EQ(stl.size(), 84 + 50 * mesh.triangles.size());
  std::memcpy(last.data(), stl.data() + 84 + 12, sizeof last);
  EXPECT_EQ(last, mesh.positions[mesh.triangles[0][0]]);
  EXPECT_NE(stl.substr(0, 5), "solid");  // readers would take it for text
}

TEST(PlaceMesh, StandsOnTheGroundOrAroundTheOrigin) {
  Mesh mesh = testing::box_mesh({1, 2, 3}, {2, 4, 6});
  place_mesh(mesh, "world");
  EXPECT_EQ(mesh.positions[0], (std::array<float, 3>{1, 2, 3}));
  place_mesh(mesh, "ground");
  EXPECT_EQ(mesh.positions[0], (std::array<float, 3>{-0.5f, -1, 0}));
  place_mesh(mesh, "center");
  EXPECT_EQ(mesh.positions[0], (std::array<float, 3>{-0.5f, -1, -1.5f}));
}

}  // namespace
}  // namespace dreamfusion
