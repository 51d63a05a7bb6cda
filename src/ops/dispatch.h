#pragma once
/// DREAMFUSION_KERNEL(tensor, function)(arguments): ops::cuda::function where the tensor is on a GPU and the kernels are compiled in,
/// else ops::cpu::function. The op has asked backend_of() before: other tensors take the reference.
#if DREAMFUSION_CUDA_KERNELS
#define DREAMFUSION_KERNEL(tensor, function) ((tensor).is_cuda() ? &cuda::function : &cpu::function)
#else
#define DREAMFUSION_KERNEL(tensor, function) (&cpu::function)
#endif
