#pragma once
/// Kernel bodies are plain C++ that a CUDA compiler can also compile for the device.
#if defined(__CUDACC__)
#define DREAMFUSION_HOST_DEVICE __host__ __device__
#define DREAMFUSION_UNROLL _Pragma("unroll")
#else
#define DREAMFUSION_HOST_DEVICE
#define DREAMFUSION_UNROLL _Pragma("GCC unroll 8")
#endif
