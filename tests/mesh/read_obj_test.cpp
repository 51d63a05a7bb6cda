#include "dreamfusion/mesh/read_obj.h"

#include <gtest/gtest.h>

#include <cmath>

#include "dreamfusion/core/error.h"
#include "dreamfusion/mesh/mesh_files.h"
#include "testing/mesh_shapes.h"
#include "testing/temporary_folder.h"
#include "testing/text_files.h"

namespace dreamfusion {
namespace {

class ReadObj : public ::testing::Test {
 protected:
  Mesh read(const std::string& text, const std::string& up = "z") const {
    testing::write_text(file(), text);
    return read_obj(file(), up);
  }
  /// The message; it names the file.
  std::string refusal(const std::string& text) const {
    testing::write_text(file(), text);
    return refusal_of(file());
  }
  static std::string refusal_of(const std::filesystem::path& path) {
    try {
      read_obj(path, "y");
    } catch (const UserError& fault) {
      EXPECT_NE(std::string(fault.what()).find(path.string()), std::string::npos) << fault.what();
      return fault.what();
    }
    return "accepted";
  }
  void expect_refused(const std::string& text, const std::vector<std::string>& parts) const {
    const std::string message = refusal(text);
    for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << "wanted: " << part << "\ngot: " << message;
  }
  std::filesystem::path file() const { return folder_.path() / "shape.obj"; }
  testing::TemporaryFolder folder_;
};

constexpr const char* kTetrahedron = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\n";

TEST_F(ReadObj, OurOwnExportComesBackUprightAndFacingTheSameWay) {
  const Mesh mesh = testing::box_mesh({0, -0.5f, 0}, {1, 0.5f, 3});
  const Mesh back = read(encode_obj(untextured(mesh), {"a box", "0", "", "", ""}, ""), "y");
  const MeshShape before = inspect_mesh(mesh), after = inspect_mesh(back);
  EXPECT_EQ(after.low, before.low);
  EXPECT_EQ(after.high, before.high);
  EXPECT_TRUE(after.closed);
  EXPECT_NEAR(after.volume, 3.0, 1e-6);
}

TEST_F(ReadObj, ZUpIsTakenAsItIs) {
  const Mesh mesh = read("v 0 0 0\nv 1 0 0\nv 0 2 3\nf 1 2 3\n");
  EXPECT_EQ(mesh.positions[2], (std::array<float, 3>{0, 2, 3}));
}

TEST_F(ReadObj, PolygonsAreCutUpConcaveOnesToo) {
  // An L of area 3 as one face, a square of two corner indices each, and a triangle counted backwards.
  EXPECT_NEAR(inspect_mesh(read("v 0 0 0\nv 2 0 0\nv 2 1 0\nv 1 1 0\nv 1 2 0\nv 0 2 0\nf 1 2 3 4 5 6\n")).area, 3.0, 1e-6);
  EXPECT_NEAR(inspect_mesh(read("v 0 0 0\nv 2 0 0\nv 2 2 0\nv 0 2 0\nvt 0 0\nvn 0 0 1\nf 1/1/1 2/1/1 3/1/1 4/1/1\n")).area, 4.0, 1e-6);
  EXPECT_NEAR(inspect_mesh(read("v 0 0 0\nv 2 0 0\nv 2 2 0\nf -3 -2 -1\n")).area, 2.0, 1e-6);
}

TEST_F(ReadObj, VerticesAtTheSamePlaceBecomeOneAndOddLinesDoNotMatter) {
  const Mesh mesh = read("\xef\xbb\xbf" "v 0 0 0 1 0 0\r\n\tv\t+1 0 0\r\nv 0 1.0e0 0\r\nv 1 0 -0\r\nv 0 1 0\r\nv 1 1 1e-60\r\n# f 9 9 9\r\n"
                         "mtllib nowhere.mtl\r\nusemtl gold\r\no a\r\ng b\r\ns 1\r\nl 1 2\r\nf 1 2 3\r\no c\r\nf 4 6 5\r\nf 1 1 2\r\n");
  EXPECT_EQ(mesh.positions.size(), 4u);
  EXPECT_EQ(mesh.triangles.size(), 2u);
  EXPECT_EQ(inspect_mesh(mesh).components, 1);
}

TEST_F(ReadObj, WhatIsNoShapeIsRefusedInWords) {
  expect_refused("", {"no faces", "neither vertices", "Wavefront"});
  expect_refused("solid cube\nfacet normal 0 0 1\n", {"no faces", "neither vertices"});
  expect_refused(kTetrahedron, {"no faces", "4 vertices (v)"});
  expect_refused(std::string("glTF\2\0\0\0", 8), {"no Wavefront OBJ", "binary"});
  expect_refused("v 0 0 0\nv 1 1 1\nv 2 2 2\nf 1 2 3\n", {"no face of the file has an area"});
  expect_refused("v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", {"no face of the file has an area"});
}

TEST_F(ReadObj, CoordinatesMustBeFiniteNumbers) {
  for (const char* bad : {"nan", "inf", "-inf", "1e400", "1e30", "abc", "1,5", "0x10"}) {
    expect_refused(std::string("# a comment\nv 0 0 0\nv 1 ") + bad + " 0\nv 0 1 0\nf 1 2 3\n", {"line 3", bad, "no number"});
  }
  expect_refused("v 0 0\nf 1 1 1\n", {"line 1", "the line ends"});
}

TEST_F(ReadObj, IndicesMustLeadToAVertex) {
  expect_refused(std::string(kTetrahedron) + "f 1 2 3\nf 1 2 5\n", {"line 6", "\"5\"", "4 vertices"});
  expect_refused(std::string(kTetrahedron) + "f 1 2 3 4 2000000000\n", {"line 5", "2000000000"});
  expect_refused(std::string(kTetrahedron) + "f 1 2 -5\n", {"line 5", "\"-5\"", "4 vertices"});
  expect_refused(std::string(kTetrahedron) + "f 0 1 2\n", {"line 5", "\"0\""});
  expect_refused(std::string(kTetrahedron) + "f 1 2 x\n", {"line 5", "\"x\""});
  expect_refused("v 0 0 0\nf -1 -2 -3\nv 1 0 0\nv 0 1 0\n", {"line 2", "\"-2\"", "1 vertices up to here"});
  EXPECT_EQ(refusal("f 1 2 3\nv 0 0 0\nv 1 0 0\nv 0 1 0\n"), "accepted");  // a face may come before its vertices
}

TEST_F(ReadObj, FilesMustBeThere) {
  EXPECT_NE(refusal_of(folder_.path() / "nowhere.obj"), "accepted");
  EXPECT_NE(refusal_of(folder_.path()), "accepted");
}

TEST(PlaceInSphere, CentresTheBoxTurnsAndScales) {
  Mesh mesh = testing::box_mesh({10, 20, 30}, {12, 21, 32});
  mesh.positions.push_back({1000, 0, 0});  // no face uses it
  place_in_sphere(mesh, 90.0, 0.6);
  mesh.positions.pop_back();
  const MeshShape shape = inspect_mesh(mesh);
  const float unit = 0.6f / 1.5f;  // half the diagonal of 2 × 1 × 2
  const std::array<float, 3> high{0.5f * unit, 1.0f * unit, 1.0f * unit};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    EXPECT_NEAR(shape.high[axis], high[axis], 1e-6);
    EXPECT_NEAR(shape.low[axis], -high[axis], 1e-6);
  }
  Mesh front = testing::box_mesh({0, -1, -1}, {1, 1, 1});
  front.positions[1][2] = 0.5f;  // the corner (1, −1) at the bottom: after a quarter turn at (1, 1)
  place_in_sphere(front, 90.0, 1.0);
  EXPECT_GT(front.positions[1][0], 0.0f);
  EXPECT_GT(front.positions[1][1], 0.0f);
}

}  // namespace
}  // namespace dreamfusion
