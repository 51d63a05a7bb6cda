// Signed distances of simple bodies (negative inside) and the little vector algebra that they need.
#pragma once
#include <algorithm>
#include <cmath>

namespace objects {

struct Vec { float x, y, z; };
inline Vec operator+(Vec a, Vec b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vec operator-(Vec a, Vec b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vec operator*(Vec a, float s) { return {a.x * s, a.y * s, a.z * s}; }
inline float dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline float length(Vec a) { return std::sqrt(dot(a, a)); }
inline float hypot2(float a, float b) { return std::sqrt(a * a + b * b); }
inline float clamp(float v, float lo, float hi) { return std::min(std::max(v, lo), hi); }

inline float ball(Vec p, Vec c, float r) { return length(p - c) - r; }

inline float ellipsoid(Vec p, Vec c, Vec r) {  // first-order distance
  Vec q = p - c;
  float k0 = length({q.x / r.x, q.y / r.y, q.z / r.z});
  float k1 = length({q.x / (r.x * r.x), q.y / (r.y * r.y), q.z / (r.z * r.z)});
  return k1 < 1e-6f ? -std::min({r.x, r.y, r.z}) : k0 * (k0 - 1.f) / k1;
}

inline float box(Vec p, Vec c, Vec half, float round = .015f) {
  Vec q = {std::fabs(p.x - c.x) - half.x + round, std::fabs(p.y - c.y) - half.y + round,
           std::fabs(p.z - c.z) - half.z + round};
  Vec o = {std::max(q.x, 0.f), std::max(q.y, 0.f), std::max(q.z, 0.f)};
  return length(o) + std::min(std::max({q.x, q.y, q.z}), 0.f) - round;
}

// A cylinder about the z axis through (c.x, c.y), z from lo to hi.
inline float cylinder(Vec p, float cx, float cy, float lo, float hi, float r, float round = .015f) {
  float a = hypot2(p.x - cx, p.y - cy) - r + round, b = std::fabs(p.z - .5f * (lo + hi)) - .5f * (hi - lo) + round;
  return hypot2(std::max(a, 0.f), std::max(b, 0.f)) + std::min(std::max(a, b), 0.f) - round;
}

// A frustum about the z axis: radius r0 at z = lo, r1 at z = hi (exact).
inline float frustum(Vec p, float lo, float hi, float r0, float r1) {
  float h = .5f * (hi - lo), qx = hypot2(p.x, p.y), qy = p.z - .5f * (lo + hi);
  float cax = qx - std::min(qx, qy < 0.f ? r0 : r1), cay = std::fabs(qy) - h;
  float kx = r1 - r0, ky = 2.f * h;
  float t = clamp(((r1 - qx) * kx + (h - qy) * ky) / (kx * kx + ky * ky), 0.f, 1.f);
  float cbx = qx - r1 + kx * t, cby = qy - h + ky * t;
  float s = cbx < 0.f && cay < 0.f ? -1.f : 1.f;
  return s * std::sqrt(std::min(cax * cax + cay * cay, cbx * cbx + cby * cby));
}

inline float capsule(Vec p, Vec a, Vec b, float r) {
  Vec pa = p - a, ba = b - a;
  return length(pa - ba * clamp(dot(pa, ba) / dot(ba, ba), 0.f, 1.f)) - r;
}

inline float torus_z(Vec p, Vec c, float R, float r) {  // lies flat
  Vec q = p - c;
  return hypot2(hypot2(q.x, q.y) - R, q.z) - r;
}
inline float torus_x(Vec p, Vec c, float R, float r) { return torus_z({p.y, p.z, p.x}, {c.y, c.z, c.x}, R, r); }
inline Vec along_y(Vec p) { return {p.x, p.z, p.y}; }  // turns a z primitive to the y axis

// A triangular prism: points (u, v) with v above `base`, under the two slopes to the apex; w is its long axis.
inline float gable(float u, float v, float w, float half, float base, float apex, float half_length) {
  float rise = apex - base, n = hypot2(half, rise);
  float slope = ((std::fabs(u) - half) * rise + (v - base) * half) / n;
  return std::max({slope, base - v, std::fabs(w) - half_length});
}

inline float blend(float a, float b, float k) {  // smooth union
  float h = std::max(k - std::fabs(a - b), 0.f) / k;
  return std::min(a, b) - h * h * k * .25f;
}

}  // namespace objects
