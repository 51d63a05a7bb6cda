#include "cuda/grid_encode_launch.h"
#include "cuda/launch_kernel.h"

namespace dreamfusion::ops::cuda {
namespace {

template <int F>
struct Features {
  static constexpr int kCount = F;
};

/// Calls start(Features<F>): loops over features have a fixed length.
template <class Start>
Fault with_features(int features, const Start& start) {
  switch (features) {
    case 1: return start(Features<1>{});
    case 2: return start(Features<2>{});
    case 4: return start(Features<4>{});
    case 8: return start(Features<8>{});
  }
  return "no kernel for this number of features";
}

std::int64_t warps_of(const TableGradients<float>& from) { return (from.points + kWarp - 1) / kWarp * from.levels.count; }

}  // namespace

Fault encode_forward(const EncodeArguments& in, float* out, const Queue& queue) {
  return with_features(in.features, [&](auto f) {
    return launch_elements(EncodeForward<float, f.kCount>{in.levels, in.x01, in.table, out, in.points}, in.points * in.levels.count, queue);
  });
}

Fault encode_backward_x(const EncodeArguments& in, const float* grad, float* grad_x, const Queue& queue) {
  return with_features(in.features, [&](auto f) {
    return launch_elements(EncodeBackwardX<float, f.kCount>{in.levels, in.x01, in.table, grad, grad_x}, in.points, queue);
  });
}

Fault scatter(const TableGradients<float>& from, int features, float* table, const Queue& queue) {
  return with_features(features, [&](auto f) {
    using Sink = FloatSink<float, f.kCount>;
    return launch_warps(TableScatter<Sink, f.kCount>{from, Sink{table}}, warps_of(from), queue);
  });
}

Fault scatter_in_any_order(const TableGradients<float>& from, int features, const FixedTable& scratch, float* table, const Queue& queue) {
  const FixedPoint unit{scratch.largest, from.points};
  return with_features(features, [&](auto f) -> Fault {
    using Sink = FixedSink<f.kCount>;
    if (const Fault fault = launch_warps(LargestShare<f.kCount>{from, scratch.largest}, warps_of(from), queue)) return fault;
    if (const Fault fault = launch_warps(TableScatter<Sink, f.kCount>{from, Sink{scratch.fixed, unit}}, warps_of(from), queue)) return fault;
    return launch_elements(FromFixedPoint{scratch.fixed, unit, table}, scratch.elements, queue);
  });
}

}  // namespace dreamfusion::ops::cuda
