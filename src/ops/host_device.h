#pragma once
/// Kernel bodies are plain C++ that a CUDA compiler can also compile for the device. DREAMFUSION_DEVICE: a body for a team of threads
/// (cuda/team.h), which nvcc compiles for the device alone and the host compiler for tests.
#if defined(__CUDACC__)
#define DREAMFUSION_HOST_DEVICE __host__ __device__
#define DREAMFUSION_DEVICE __device__
#if defined(__CUDA_ARCH__)
#define DREAMFUSION_UNROLL _Pragma("unroll")
#else
#define DREAMFUSION_UNROLL
#endif
#elif defined(DREAMFUSION_VECTOR_BYTES)
// A file for one instruction set (cpu/simd.h): no copy of a shared function may be left over with these instructions, the linker
// could give it to everybody.
#define DREAMFUSION_HOST_DEVICE __attribute__((always_inline))
#define DREAMFUSION_DEVICE DREAMFUSION_HOST_DEVICE
#define DREAMFUSION_UNROLL _Pragma("GCC unroll 8")
#else
#define DREAMFUSION_HOST_DEVICE
#define DREAMFUSION_DEVICE
#define DREAMFUSION_UNROLL _Pragma("GCC unroll 8")
#endif

/// For loops whose length the device's compiler knows, but not always the host's (tests).
#if defined(__CUDA_ARCH__)
#define DREAMFUSION_UNROLL_ON_DEVICE _Pragma("unroll")
#else
#define DREAMFUSION_UNROLL_ON_DEVICE
#endif
