// The exact shapes of every kind of object that the starter prior knows, as signed distance functions.
//
// World: right-handed, z up, the front of an object looks along +x; everything lies within 0.66 of the origin.
// A shape answers with the distance (negative inside) and with the part that is nearest: MAIN and SECOND are coloured
// by the caption, all later parts have the fixed colour `kDetailColours[part - 2]`.
// `j` holds eight proportion factors near 1 (all 1: the canonical shape).
#pragma once
#include "primitives.hpp"

namespace objects {

enum Part { MAIN, SECOND, BLACK, DARK, WINDOW, ORANGE, LIGHT, RED, COFFEE, WOOD };
constexpr float kDetailColours[8][3] = {{.06f, .06f, .07f}, {.22f, .22f, .25f}, {.70f, .86f, .95f}, {1.f, .55f, .08f},
                                        {1.f, .95f, .60f}, {.85f, .05f, .05f}, {.25f, .13f, .06f}, {.40f, .23f, .10f}};

struct Surface { float distance; int part; };

struct Union {
  Surface s{1e9f, MAIN};
  void add(float d, int part) { if (d < s.distance) s = {d, part}; }
};

using J = const float*;

inline Surface sphere(Vec p, J j) { return {ball(p, {0, 0, 0}, .46f * j[0]), MAIN}; }
inline Surface cube(Vec p, J j) { float h = .35f * j[0]; return {box(p, {0, 0, 0}, {h, h, h}, .02f), MAIN}; }
inline Surface cylinder_kind(Vec p, J j) { return {cylinder(p, 0, 0, -.44f * j[1], .44f * j[1], .30f * j[0]), MAIN}; }
inline Surface cone(Vec p, J j) { return {frustum(p, -.45f * j[1], .48f * j[1], .43f * j[0], .02f), MAIN}; }
inline Surface donut(Vec p, J j) { return {torus_z(p, {0, 0, 0}, .335f * j[0], .16f * j[1]), MAIN}; }

inline Surface mushroom(Vec p, J j) {
  Union u;
  float z0 = .05f * j[2];
  u.add(std::max(ellipsoid(p, {0, 0, z0}, {.48f * j[0], .48f * j[0], .38f * j[1]}), z0 - p.z), MAIN);
  u.add(frustum(p, -.50f, z0, .18f * j[3], .13f * j[3]), SECOND);
  return u.s;
}

inline Surface snowman(Vec p, J j) {
  Union u;
  float r = .165f * j[2];
  u.add(ball(p, {0, 0, -.29f}, .31f * j[0]), MAIN);
  u.add(ball(p, {0, 0, .08f}, .225f * j[1]), MAIN);
  u.add(ball(p, {0, 0, .40f}, r), MAIN);
  u.add(torus_z(p, {0, 0, .255f}, .14f, .06f), SECOND);
  u.add(capsule(p, {r - .02f, 0, .40f}, {r + .13f, 0, .385f}, .042f), ORANGE);
  for (float s : {-1.f, 1.f}) u.add(ball(p, {.87f * r, s * .42f * r, .455f}, .038f), BLACK);
  u.add(ball(p, {.225f * j[1], 0, .10f}, .038f), BLACK);
  u.add(ball(p, {.93f * .31f * j[0], 0, -.18f}, .042f), BLACK);
  return u.s;
}

inline Surface table(Vec p, J j) {
  Union u;
  float x = .48f * j[0], y = .36f * j[1], t = .055f * j[3];
  u.add(box(p, {0, 0, .26f}, {x, y, .055f}), MAIN);
  Vec q = {std::fabs(p.x), std::fabs(p.y), p.z};
  u.add(box(q, {x - .08f, y - .08f, -.09f}, {t, t, .33f}), SECOND);
  return u.s;
}

inline Surface chair(Vec p, J j) {
  Union u;
  float w = .27f * j[0], t = .05f * j[3];
  u.add(box(p, {0, 0, -.08f}, {w, w, .055f}), MAIN);
  u.add(box(p, {-w + .05f, 0, .22f}, {.05f, w, .34f * j[1]}), MAIN);
  Vec q = {std::fabs(p.x), std::fabs(p.y), p.z};
  u.add(box(q, {w - .055f, w - .055f, -.33f}, {t, t, .23f}), SECOND);
  return u.s;
}

inline Surface tree(Vec p, J j) {
  Union u;
  u.add(frustum(p, -.30f, .10f, .44f * j[0], .15f), MAIN);
  u.add(frustum(p, -.03f, .34f, .34f * j[0], .10f), MAIN);
  u.add(frustum(p, .21f, .62f * j[1], .25f * j[0], .015f), MAIN);
  u.add(cylinder(p, 0, 0, -.60f, -.25f, .105f * j[2]), SECOND);
  return u.s;
}

inline Surface house(Vec p, J j) {
  Union u;
  float x = .34f * j[0], y = .31f * j[1], top = .06f;
  u.add(box(p, {0, 0, -.20f}, {x, y, .27f}, .01f), MAIN);
  u.add(gable(p.y, p.z, p.x, y + .10f, top, top + .40f * j[2], x + .07f), SECOND);
  if (u.s.part == MAIN) {
    if (p.x > x - .03f && std::fabs(p.y) < .105f && p.z < -.13f) u.s.part = WOOD;
    if (std::fabs(p.y) > y - .03f && std::fabs(std::fabs(p.x) - .16f) < .09f && std::fabs(p.z + .16f) < .09f)
      u.s.part = WINDOW;
  }
  return u.s;
}

inline Surface car(Vec p, J j) {
  Union u;
  float x = .53f * j[0], y = .25f * j[1], c = -.10f;
  u.add(box(p, {0, 0, -.09f}, {x, y, .125f}, .05f), MAIN);
  u.add(box(p, {c, 0, .11f}, {.28f * j[2], y - .03f, .13f * j[3]}, .05f), MAIN);
  Vec q = {std::fabs(p.x), std::fabs(p.y), p.z};
  u.add(cylinder(along_y({q.x - (x - .18f), q.y, q.z + .20f}), 0, 0, y - .09f, y + .03f, .125f), SECOND);
  if (u.s.part == MAIN) {
    float dx = (p.x - c) / (.28f * j[2]);
    if (p.z > .065f && p.z < .185f && (std::fabs(dx) > .88f || (std::fabs(p.y) > y - .06f &&
        std::fabs(std::fabs(dx) - .45f) < .33f))) u.s.part = dx < -.88f ? DARK : WINDOW;
    if (std::fabs(p.x) > x - .035f && std::fabs(q.y - (y - .09f)) < .06f && std::fabs(p.z + .07f) < .05f)
      u.s.part = p.x > 0 ? LIGHT : RED;
  }
  return u.s;
}

inline Surface mug(Vec p, J j) {
  float r = .29f * j[0], h = .33f * j[1];
  float wall = std::max(cylinder(p, 0, 0, -h, h, r, .02f), -cylinder(p, 0, 0, h - .16f, h + .2f, r - .065f, 0));
  Union u;
  u.add(wall, hypot2(p.x, p.y) < r - .072f && p.z > 0 ? COFFEE : MAIN);
  u.add(std::max(torus_x(p, {0, r + .02f, 0}, .18f * j[2], .057f), -cylinder(p, 0, 0, -h, h, r - .02f)), MAIN);
  return u.s;
}

inline Surface rocket(Vec p, J j) {
  Union u;
  float r = .18f * j[0], z1 = .10f;
  u.add(p.z > z1 ? ellipsoid(p, {0, 0, z1}, {r, r, .52f * j[1]}) : cylinder(p, 0, 0, -.38f, z1 + .1f, r), MAIN);
  u.add(frustum(p, -.50f, -.36f, .14f, .09f), DARK);
  Vec q = {std::fabs(p.x), std::fabs(p.y), p.z};
  if (q.x < q.y) std::swap(q.x, q.y);
  float fin = box(q, {.20f, 0, -.34f}, {.21f * j[2], .042f, .22f});
  u.add(std::max(fin, ((q.x - .16f) + (q.z + .16f)) * .7071f), SECOND);
  if (u.s.part == MAIN && p.x > 0 && hypot2(p.y, p.z - .10f) < .095f) u.s.part = WINDOW;
  return u.s;
}

inline Surface duck(Vec p, J j) {
  Union u;
  float body = ellipsoid(p, {-.07f, 0, -.17f}, {.40f * j[0], .28f * j[1], .25f});
  body = blend(body, capsule(p, {-.36f, 0, -.08f}, {-.50f, 0, .07f}, .06f), .12f);
  float head = ball(p, {.21f, 0, .25f}, .205f * j[2]);
  u.add(blend(body, head, .12f), MAIN);
  u.add(ellipsoid(p, {.43f, 0, .21f}, {.15f * j[3], .12f, .06f}), SECOND);
  for (float s : {-1.f, 1.f}) u.add(ball(p, {.21f + .14f * j[2], s * .125f * j[2], .32f}, .045f), BLACK);
  return u.s;
}

inline Surface airplane(Vec p, J j) {
  Union u;
  u.add(ellipsoid(p, {0, 0, 0}, {.58f * j[0], .135f * j[1], .135f * j[1]}), MAIN);
  u.add(box(p, {.06f, 0, -.01f}, {.13f * j[2], .58f * j[3], .04f}, .03f), SECOND);
  u.add(box(p, {-.45f, 0, .03f}, {.085f, .25f, .038f}, .03f), SECOND);
  u.add(box(p, {-.47f, 0, .15f}, {.085f, .04f, .15f}, .03f), SECOND);
  if (u.s.part == MAIN && p.x > .26f && p.x < .44f && p.z > .035f) u.s.part = WINDOW;
  return u.s;
}

inline Surface boat(Vec p, J j) {
  Union u;
  float deck = -.14f;
  float hull = ellipsoid(p, {-.06f, 0, deck}, {.62f * j[0], .25f * j[1], .33f * j[2]});
  u.add(std::max({hull, p.z - deck, -.44f - p.x}), MAIN);
  u.add(capsule(p, {.08f, 0, deck}, {.08f, 0, .56f}, .042f), WOOD);
  float sail = gable(p.x - .05f, p.z, p.y, .42f * j[3], -.04f, .55f, .04f);
  u.add(std::max(sail, p.x - .05f), SECOND);
  return u.s;
}

inline Surface robot(Vec p, J j) {
  Union u;
  Vec q = {p.x, std::fabs(p.y), p.z};
  float w = .21f * j[0], h = .15f * j[1];
  u.add(box(p, {0, 0, -.09f}, {.155f, w, .22f}, .02f), MAIN);
  u.add(box(p, {0, 0, .27f}, {.14f, h + .03f, .125f}, .03f), MAIN);
  u.add(box(q, {0, w + .085f, -.07f}, {.075f, .065f, .22f * j[2]}), SECOND);
  u.add(box(q, {0, .115f, -.45f}, {.09f, .08f, .16f}), SECOND);
  u.add(capsule(p, {0, 0, .38f}, {0, 0, .50f}, .035f), DARK);
  u.add(ball(p, {0, 0, .54f}, .06f), RED);
  if (u.s.part == MAIN) {
    if (p.x > .11f && p.z > .25f && hypot2(q.y - .085f, p.z - .31f) < .055f) u.s.part = BLACK;
    if (p.x > .11f && std::fabs(p.z - .195f) < .027f && q.y < .10f) u.s.part = BLACK;
    if (p.x > .12f && std::fabs(p.z + .06f) < .09f && q.y < .12f) u.s.part = LIGHT;
  }
  return u.s;
}

inline Surface lamp(Vec p, J j) {
  Union u;
  u.add(frustum(p, .06f, .52f, .38f * j[0], .22f * j[1]), MAIN);
  u.add(cylinder(p, 0, 0, -.50f, .10f, .05f * j[2]), SECOND);
  u.add(cylinder(p, 0, 0, -.57f, -.47f, .24f * j[3], .03f), SECOND);
  return u.s;
}

inline Surface hat(Vec p, J j) {
  Union u;
  u.add(cylinder(p, 0, 0, -.24f, -.155f, .54f * j[0], .035f), MAIN);
  u.add(frustum(p, -.20f, .32f * j[1], .29f * j[2], .27f * j[2]), MAIN);
  if (p.z > -.15f && p.z < -.01f && hypot2(p.x, p.y) < .34f) u.s.part = SECOND;
  return u.s;
}

inline Surface bottle(Vec p, J j) {
  Union u;
  float r = .215f * j[0], z = .08f * j[1];
  u.add(cylinder(p, 0, 0, -.60f, z, r, .03f), MAIN);
  u.add(frustum(p, z - .03f, z + .22f, r - .005f, .085f), MAIN);
  u.add(cylinder(p, 0, 0, z + .10f, .50f, .085f), MAIN);
  u.add(cylinder(p, 0, 0, .44f, .60f, .11f, .02f), SECOND);
  return u.s;
}

inline Surface sofa(Vec p, J j) {
  Union u;
  float w = .50f * j[0];
  Vec q = {p.x, std::fabs(p.y), p.z};
  u.add(box(p, {.03f, 0, -.19f}, {.27f, w, .13f}, .03f), MAIN);
  u.add(box(p, {-.24f, 0, .02f}, {.095f, w, .32f * j[1]}, .04f), MAIN);
  u.add(box(q, {.03f, w - .05f, -.09f}, {.27f, .085f, .21f * j[2]}, .04f), MAIN);
  u.add(box(q, {.08f, (w - .13f) * .5f, -.02f}, {.22f, (w - .14f) * .5f, .065f}, .03f), SECOND);
  return u.s;
}

inline Surface teapot(Vec p, J j) {
  Union u;
  float r = .33f * j[0];
  float body = ellipsoid(p, {0, 0, -.05f}, {r, r, .29f * j[1]});
  u.add(blend(body, capsule(p, {0, r - .05f, -.10f}, {0, r + .23f, .16f}, .065f * j[2]), .08f), MAIN);
  u.add(std::max(torus_x(p, {0, -r - .03f, -.02f}, .165f, .053f), -body), MAIN);
  u.add(ellipsoid(p, {0, 0, -.05f + .25f * j[1]}, {.19f, .19f, .085f}), SECOND);
  u.add(ball(p, {0, 0, .08f + .25f * j[1]}, .075f), SECOND);
  return u.s;
}

inline Surface cactus(Vec p, J j) {
  Union u;
  float r = .135f * j[0], y = .29f * j[1];
  u.add(capsule(p, {0, 0, -.3f}, {0, 0, .46f}, r), MAIN);
  u.add(std::min(capsule(p, {0, 0, -.05f}, {0, y, -.05f}, .085f), capsule(p, {0, y, -.05f}, {0, y, .22f * j[2]}, .085f)),
        MAIN);
  u.add(std::min(capsule(p, {0, 0, .09f}, {0, -y, .09f}, .085f), capsule(p, {0, -y, .09f}, {0, -y, .33f * j[3]}, .085f)),
        MAIN);
  u.add(frustum(p, -.60f, -.27f, .19f, .27f * j[4]), SECOND);
  return u.s;
}

inline Surface dumbbell(Vec p, J j) {
  Union u;
  Vec q = along_y({p.x, std::fabs(p.y), p.z});
  u.add(cylinder(q, 0, 0, .24f, .54f * j[1], .27f * j[0], .05f), MAIN);
  u.add(cylinder(q, 0, 0, -.3f, .3f, .075f * j[2]), SECOND);
  return u.s;
}

using Shape = Surface (*)(Vec, J);
struct Kind { const char* name; Shape shape; };
constexpr Kind kKinds[] = {
    {"sphere", sphere}, {"cube", cube}, {"cylinder", cylinder_kind}, {"cone", cone}, {"donut", donut},
    {"mushroom", mushroom}, {"snowman", snowman}, {"table", table}, {"chair", chair}, {"tree", tree},
    {"house", house}, {"car", car}, {"mug", mug}, {"rocket", rocket}, {"duck", duck},
    {"airplane", airplane}, {"boat", boat}, {"robot", robot}, {"lamp", lamp}, {"hat", hat},
    {"bottle", bottle}, {"sofa", sofa}, {"teapot", teapot}, {"cactus", cactus}, {"dumbbell", dumbbell}};
constexpr int kNumKinds = sizeof(kKinds) / sizeof(kKinds[0]);

}  // namespace objects
