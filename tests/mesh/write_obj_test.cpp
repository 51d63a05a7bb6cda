#include "dreamfusion/mesh/write_obj.h"

#include <gtest/gtest.h>
#include <tiny_obj_loader.h>

#include <clocale>
#include <filesystem>
#include <string>

#include "dreamfusion/core/error.h"
#include "dreamfusion/io/files.h"
#include "mesh_shapes.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

class WriteObjTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    folder_ = fs::path(::testing::TempDir()) / ("obj_" + name);
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

struct Loaded {
  tinyobj::attrib_t attributes;
  std::vector<tinyobj::shape_t> shapes;
};

Loaded load(const fs::path& path) {
  Loaded loaded;
  std::vector<tinyobj::material_t> materials;
  std::string warning, error;
  EXPECT_TRUE(tinyobj::LoadObj(&loaded.attributes, &loaded.shapes, &materials, &warning, &error, path.c_str())) << error;
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

TEST_F(WriteObjTest, ReadsBackExactly) {
  const Mesh mesh = colored_box();
  write_obj(folder_ / "mesh.obj", mesh, "a red box\nseed 3");
  const Loaded loaded = load(folder_ / "mesh.obj");
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

TEST_F(WriteObjTest, StandsUprightFacesTheViewerAndStaysOutward) {
  // Tall (z), with its front towards +x.
  const Mesh mesh = testing::box_mesh({0, -0.5f, 0}, {1, 0.5f, 3});
  write_obj(folder_ / "mesh.obj", mesh, "");
  const Loaded loaded = load(folder_ / "mesh.obj");
  Mesh read;
  const auto& v = loaded.attributes.vertices;
  for (std::size_t i = 0; i < v.size(); i += 3) read.positions.push_back({v[i], v[i + 1], v[i + 2]});
  const auto& indices = loaded.shapes[0].mesh.indices;
  for (std::size_t i = 0; i < indices.size(); i += 3) {
    const auto index = [&](std::size_t k) { return static_cast<std::uint32_t>(indices[i + k].vertex_index); };
    read.triangles.push_back({index(0), index(1), index(2)});
  }
  const MeshReport report = inspect_mesh(read);
  EXPECT_EQ(report.high[1], 3);  // up is +y
  EXPECT_EQ(report.high[2], 1);  // the front is +z
  EXPECT_EQ(report.low[2], 0);
  EXPECT_NEAR(report.volume, 3, 1e-6);
}

TEST_F(WriteObjTest, CommentsCannotBreakTheFile) {
  write_obj(folder_ / "mesh.obj", testing::box_mesh({0, 0, 0}, {1, 1, 1}), "prompt: a\nv 9 9 9\r\nf 1 2 3");
  const std::string text = read_file(folder_ / "mesh.obj");
  EXPECT_EQ(text.rfind("# prompt: a\n# v 9 9 9", 0), 0u) << text.substr(0, 60);
  EXPECT_EQ(load(folder_ / "mesh.obj").attributes.vertices.size(), 24u);
}

TEST_F(WriteObjTest, MeshesMayLackNormalsAndColors) {
  write_obj(folder_ / "mesh.obj", testing::box_mesh({0, 0, 0}, {1, 1, 1}), "");
  const std::string text = read_file(folder_ / "mesh.obj");
  EXPECT_NE(text.find("\nf 1 3 4\n"), std::string::npos);
  EXPECT_EQ(text.find("vn"), std::string::npos);
}

TEST_F(WriteObjTest, AnUnwritablePathIsAUserError) {
  EXPECT_THROW(write_obj(folder_ / "missing" / "mesh.obj", colored_box(), ""), UserError);
  fs::create_directories(folder_ / "taken.obj");
  EXPECT_THROW(write_obj(folder_ / "taken.obj", colored_box(), ""), UserError);
}

}  // namespace
}  // namespace dreamfusion
