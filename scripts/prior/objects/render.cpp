// Renders the geometry of objects (shapes.hpp) into byte planes and voxels; a small C interface for Python's ctypes.
//
// g++ -std=c++17 -O3 -march=native -ffast-math -fopenmp -shared -fPIC render.cpp -o librender.so
#include <cstdint>
#include <cstring>

#include "shapes.hpp"

using namespace objects;

namespace {

constexpr float kBound = .74f;  // every jittered shape lies within
constexpr int kPlanes = 9;      // coverage of MAIN, SECOND, details; premultiplied details RGB; premultiplied normal

// The first point of a ray on the surface; false: it misses.
bool trace(Shape shape, const float* jitter, Vec origin, Vec direction, Vec* point, int* part) {
  float b = dot(origin, direction), c = dot(origin, origin) - kBound * kBound, disc = b * b - c;
  if (disc <= 0) return false;
  float root = std::sqrt(disc), t = -b - root, end = -b + root;
  for (int step = 0; step < 80 && t < end; ++step) {
    *point = origin + direction * t;
    Surface s = shape(*point, jitter);
    if (s.distance < .0015f) { *part = s.part; return true; }
    t += .85f * s.distance;
  }
  return false;
}

Vec normal_at(Shape shape, const float* jitter, Vec p) {
  constexpr float e = .004f;
  constexpr Vec k[4] = {{1, -1, -1}, {-1, -1, 1}, {-1, 1, -1}, {1, 1, 1}};
  Vec n{0, 0, 0};
  for (Vec d : k) n = n + d * shape(p + d * e, jitter).distance;
  return n * (1.f / std::max(length(n), 1e-9f));
}

uint8_t byte(float v) { return static_cast<uint8_t>(clamp(v, 0.f, 255.f) + .5f); }

}  // namespace

extern "C" {

int object_kinds() { return kNumKinds; }
const char* object_name(int kind) { return kKinds[kind].name; }

// kinds [n]; jitter [n, 8]; cameras [n, 6] = azimuth, elevation, distance, field of view (radians), pan right, pan up;
// out [n, 9, size, size] bytes. Each pixel is the mean of samples x samples rays.
void object_render(int n, int size, int samples, const int* kinds, const float* jitter, const float* cameras,
                   uint8_t* out) {
#pragma omp parallel for schedule(dynamic, 4)
  for (int i = 0; i < n; ++i) {
    const float *cam = cameras + 6 * i, *j = jitter + 8 * i;
    Shape shape = kKinds[kinds[i]].shape;
    float sa = std::sin(cam[0]), ca = std::cos(cam[0]), se = std::sin(cam[1]), ce = std::cos(cam[1]);
    Vec eye = Vec{ce * ca, ce * sa, se} * cam[2], forward = Vec{-ce * ca, -ce * sa, -se};
    Vec right{-sa, ca, 0}, up{-se * ca, -se * sa, ce};
    eye = eye + right * cam[4] + up * cam[5];
    float scale = std::tan(.5f * cam[3]);
    int fine = size * samples, plane = size * size;
    uint8_t* image = out + static_cast<size_t>(i) * kPlanes * plane;
    for (int y = 0; y < size; ++y)
      for (int x = 0; x < size; ++x) {
        float sum[kPlanes] = {};
        for (int s = 0; s < samples * samples; ++s) {
          float u = 2.f * (x * samples + s % samples + .5f) / fine - 1.f;
          float v = 1.f - 2.f * (y * samples + s / samples + .5f) / fine;
          Vec d = forward + right * (u * scale) + up * (v * scale);
          d = d * (1.f / length(d));
          Vec p;
          int part;
          if (!trace(shape, j, eye, d, &p, &part)) continue;
          sum[std::min(part, 2)] += 1.f;
          if (part >= 2)
            for (int c = 0; c < 3; ++c) sum[3 + c] += kDetailColours[part - 2][c];
          Vec nrm = normal_at(shape, j, p);
          sum[6] += nrm.x, sum[7] += nrm.y, sum[8] += nrm.z;
        }
        float inv = 1.f / (samples * samples);
        for (int c = 0; c < kPlanes; ++c)
          image[c * plane + y * size + x] = c < 6 ? byte(255.f * sum[c] * inv) : byte(128.f + 127.f * sum[c] * inv - .5f);
      }
  }
}

// The canonical shape as voxels: out [resolution^3], 1 = inside, x fastest, then y, then z.
void object_voxels(int kind, int resolution, float half_extent, uint8_t* out) {
  const float jitter[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  float cell = 2.f * half_extent / resolution;
  auto at = [&](int i) { return -half_extent + (i + .5f) * cell; };
#pragma omp parallel for
  for (int k = 0; k < resolution; ++k)
    for (int j = 0; j < resolution; ++j)
      for (int i = 0; i < resolution; ++i)
        out[(k * resolution + j) * resolution + i] = kKinds[kind].shape({at(i), at(j), at(k)}, jitter).distance < 0;
}
}
