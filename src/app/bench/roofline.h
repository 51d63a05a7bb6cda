#pragma once
/// How far each kernel is from what the machine can do.
#include <functional>
#include <nlohmann/json_fwd.hpp>

#include "bench/render_bench.h"

namespace dreamfusion::bench {

/// Measures the ceilings (a large matrix product, a large copy) and each kernel's time, and sets beside it the floating-point
/// operations and bytes that the kernel cannot do without: those of its formula, each table row read where it is used. Prints a table
/// and returns {"gflops", "copy_gb_s", "kernels": [{"name", "ms", "gflop", "gb", "share_of_flops", "share_of_bytes"}, …]}.
nlohmann::ordered_json roofline(const RenderBench& render, const Config& config, int repeats, const std::function<void()>& synchronise);

}  // namespace dreamfusion::bench
