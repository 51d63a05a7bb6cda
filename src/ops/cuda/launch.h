#pragma once
/// How plain C++ starts kernels: the launchers in *_launch.h take a Queue and say what went wrong. No CUDA header is needed.

struct CUstream_st;

namespace dreamfusion::ops::cuda {

/// Where a kernel runs. The kernels' own copy of the CUDA runtime does not know which device LibTorch has chosen.
struct Queue {
  int device;
  CUstream_st* stream;
};

/// What the CUDA runtime says; null where all is well.
using Fault = const char*;

}  // namespace dreamfusion::ops::cuda
