# DREAMFUSION_CUDA=AUTO|ON|OFF decides whether the CUDA kernels in src/ops/cuda are compiled. Tensors go to a GPU
# through LibTorch in any case; without kernels an op takes its reference path there.
set(DREAMFUSION_WITH_CUDA OFF)
if(NOT DREAMFUSION_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "DREAMFUSION_CUDA=${DREAMFUSION_CUDA}: expected AUTO, ON or OFF")
endif()
if(NOT DREAMFUSION_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(DREAMFUSION_WITH_CUDA ON)
  elseif(DREAMFUSION_CUDA STREQUAL "ON")
    message(FATAL_ERROR "DREAMFUSION_CUDA=ON, but no CUDA compiler was found.\n"
      "  fix: put nvcc on PATH or set CUDACXX, or configure with -DDREAMFUSION_CUDA=AUTO")
  endif()
endif()
if(DREAMFUSION_WITH_CUDA)
  # Machine code for A100, H100/H200, B200 and RTX 50; what is newer compiles the PTX of the last when the program starts.
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100-real 120-real 120-virtual CACHE STRING "GPUs that kernels are compiled for")
  endif()
  # Static: the program starts on machines that have neither a driver nor CUDA's libraries.
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
  enable_language(CUDA)
  set(CMAKE_CUDA_STANDARD 17)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  set(CMAKE_CUDA_FLAGS_RELEASE "-O2 -DNDEBUG")
  # The architectures of a file one after the other: files already run side by side, and four assemblers at once want the memory
  # of a small machine.
  message(STATUS "CUDA kernels: yes (${CMAKE_CUDA_COMPILER}, ${CMAKE_CUDA_ARCHITECTURES})")
else()
  message(STATUS "CUDA kernels: no (DREAMFUSION_CUDA=${DREAMFUSION_CUDA}, compiler ${CMAKE_CUDA_COMPILER})")
endif()
