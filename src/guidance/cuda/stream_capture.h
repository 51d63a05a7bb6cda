#pragma once
/// CUDA's stream capture for plain C++. Free of LibTorch; no CUDA header is needed.

struct CUstream_st;
struct CUgraphExec_st;

namespace dreamfusion::cuda {

/// What the CUDA runtime says; null where all is well.
using Fault = const char*;

/// What is started on the stream from now on is recorded instead of done.
Fault begin_capture(int device, CUstream_st* stream);
/// Ends it, whatever happened; `graph` is null after a fault.
Fault end_capture(CUstream_st* stream, CUgraphExec_st** graph);
bool is_captured(CUstream_st* stream);
Fault replay(int device, CUgraphExec_st* graph, CUstream_st* stream);
void destroy(CUgraphExec_st* graph);

}  // namespace dreamfusion::cuda
