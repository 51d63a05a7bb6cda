#pragma once
/// One ray of the march through the bounding sphere; free of LibTorch.
#include <cmath>
#include <cstdint>

#include "host_device.h"
#include "occupancy_bits.h"

namespace dreamfusion::ops::kernel {

/// The part of a ray that is sampled: `steps` intervals of length `delta` from distance `start`.
template <class scalar>
struct RaySpan {
  scalar start = 0;
  scalar delta = 0;
  std::int64_t steps = 0;
};

template <class scalar>
struct RaySample {
  scalar t;
  scalar x_world[3];
};

template <class scalar>
struct MarchRaysKernel {
  const scalar* origins;     // [R, 3]
  const scalar* directions;  // [R, 3]
  const scalar* jitter;      // [R, jitter_stride] or null
  const std::uint32_t* occupancy;  // bits of [cells, cells, cells] (occupancy_bits.h) or null
  std::int64_t jitter_stride;
  scalar radius;
  scalar near;
  scalar step;
  std::int64_t max_steps;
  std::int64_t cells;
  scalar cells_per_unit, half_cells;

  /// After the radius.
  void set_cells(std::int64_t count) {
    cells = count;
    half_cells = scalar(0.5) * static_cast<scalar>(count);
    cells_per_unit = half_cells / radius;
  }

  /// |o + t·d|² = radius² with |d| = 1: t = −o·d ± √((o·d)² − |o|² + radius²).
  DREAMFUSION_HOST_DEVICE RaySpan<scalar> span(std::int64_t ray) const {
    const scalar *o = origins + 3 * ray, *d = directions + 3 * ray;
    const scalar middle = -(o[0] * d[0] + o[1] * d[1] + o[2] * d[2]);
    const scalar outside = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - radius * radius;
    const scalar discriminant = middle * middle - outside;
    if (!(discriminant > scalar(0))) return {};
    const scalar half = std::sqrt(discriminant);
    const scalar enter = middle - half > near ? middle - half : near;
    const scalar length = middle + half - enter;
    if (!(length > scalar(0))) return {};
    std::int64_t steps = static_cast<std::int64_t>(std::ceil(length / step));
    if (steps > max_steps) steps = max_steps;
    return {enter, length / static_cast<scalar>(steps), steps};
  }

  DREAMFUSION_HOST_DEVICE RaySample<scalar> sample(std::int64_t ray, const RaySpan<scalar>& span, std::int64_t k) const {
    const scalar place = jitter == nullptr ? scalar(0.5) : jitter[ray * jitter_stride + (jitter_stride > 1 ? k : 0)];
    RaySample<scalar> sample;
    sample.t = span.start + (static_cast<scalar>(k) + place) * span.delta;
    for (int axis = 0; axis < 3; ++axis) {
      sample.x_world[axis] = origins[3 * ray + axis] + sample.t * directions[3 * ray + axis];
    }
    return sample;
  }

  DREAMFUSION_HOST_DEVICE bool occupied(const scalar* x_world) const {
    return occupancy == nullptr || bit_of(occupancy, (cell(x_world[2]) * cells + cell(x_world[1])) * cells + cell(x_world[0]));
  }

  DREAMFUSION_HOST_DEVICE std::int64_t cell(scalar coordinate) const {
    const scalar position = coordinate * cells_per_unit + half_cells;
    if (!(position > scalar(0))) return 0;
    return position < static_cast<scalar>(cells) ? static_cast<std::int64_t>(position) : cells - 1;
  }
};

}  // namespace dreamfusion::ops::kernel
