# LibTorch::torch: the headers and the two CPU libraries of a LibTorch 2.11 tree.
#
# find_package(Torch) of a CUDA wheel insists on a CUDA toolkit and a GPU, so plain imported targets are used instead.
# libtorch_cuda.so is not linked: the program loads it at run time where a GPU is (core/device.cpp), so that one binary
# serves machines with and without one.
#
# Looked for in: -DDREAMFUSION_LIBTORCH=, $LIBTORCH, CMAKE_PREFIX_PATH, the cache folder that scripts/setup.sh fills.
set(DREAMFUSION_LIBTORCH "" CACHE PATH "Folder of LibTorch that holds include/ and lib/")

function(_dreamfusion_cache_folder out)
  if(DEFINED ENV{DREAMFUSION_CACHE})
    set(${out} $ENV{DREAMFUSION_CACHE} PARENT_SCOPE)
  elseif(DEFINED ENV{XDG_CACHE_HOME})
    set(${out} $ENV{XDG_CACHE_HOME}/dreamfusion PARENT_SCOPE)
  else()
    set(${out} $ENV{HOME}/.cache/dreamfusion PARENT_SCOPE)
  endif()
endfunction()

_dreamfusion_cache_folder(_cache)
find_path(DREAMFUSION_LIBTORCH_INCLUDE ATen/core/Tensor.h NO_DEFAULT_PATH
  PATHS ${DREAMFUSION_LIBTORCH} $ENV{LIBTORCH} ${CMAKE_PREFIX_PATH} ${_cache}/libtorch-2.11.0/torch
  PATH_SUFFIXES include)
if(NOT DREAMFUSION_LIBTORCH_INCLUDE)
  message(FATAL_ERROR "LibTorch was not found.\n"
    "  looked in: DREAMFUSION_LIBTORCH, $LIBTORCH, CMAKE_PREFIX_PATH, ${_cache}/libtorch-2.11.0/torch\n"
    "  fix: run scripts/setup.sh, or configure with -DDREAMFUSION_LIBTORCH=<folder with include/ and lib/>")
endif()
get_filename_component(_torch_root ${DREAMFUSION_LIBTORCH_INCLUDE} DIRECTORY)
set(_torch_lib ${_torch_root}/lib)

foreach(_name c10 torch_cpu)
  if(NOT EXISTS ${_torch_lib}/lib${_name}.so)
    message(FATAL_ERROR "LibTorch is damaged: ${_torch_lib}/lib${_name}.so is missing.\n"
      "  fix: delete ${_torch_root}/.. and run scripts/setup.sh again")
  endif()
  add_library(LibTorch::${_name} SHARED IMPORTED GLOBAL)
  set_target_properties(LibTorch::${_name} PROPERTIES IMPORTED_LOCATION ${_torch_lib}/lib${_name}.so)
endforeach()

add_library(LibTorch::torch INTERFACE IMPORTED GLOBAL)
target_include_directories(LibTorch::torch SYSTEM INTERFACE
  ${DREAMFUSION_LIBTORCH_INCLUDE} ${DREAMFUSION_LIBTORCH_INCLUDE}/torch/csrc/api/include)
target_compile_definitions(LibTorch::torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
# The small CUDA runtime libraries that libtorch_cpu.so itself links are found through its own RPATH.
target_link_libraries(LibTorch::torch INTERFACE LibTorch::torch_cpu LibTorch::c10 ${CMAKE_DL_LIBS})
target_link_options(LibTorch::torch INTERFACE
  -Wl,-rpath,${_torch_lib} -Wl,--allow-shlib-undefined)

# at::parallel_for is an inline template that runs in parallel only where the includer has -fopenmp: all of them, so that there is one
# definition of it, and one precompiled header. The runtime is the one that LibTorch ships, so that the process has a single thread pool.
target_compile_options(LibTorch::torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
if(EXISTS ${_torch_lib}/libgomp.so.1)
  target_link_libraries(LibTorch::torch INTERFACE ${_torch_lib}/libgomp.so.1)
else()
  target_link_options(LibTorch::torch INTERFACE -fopenmp)
endif()
message(STATUS "LibTorch: ${_torch_root}")
