# Kernels that are compiled once for each instruction set; the program chooses when it runs (src/ops/cpu/instruction_sets.cpp).
# No library code is in these files, so nothing else is compiled for a processor that the user may not have. -O3: their loops are
# what it is for. No math errno: a vector of square roots would be a loop of calls.
set(_simd_options -O3 -ffp-contract=fast -fno-math-errno -Wno-psabi)
set_source_files_properties(src/ops/cpu/kernels_baseline.cpp PROPERTIES COMPILE_OPTIONS "${_simd_options}" SKIP_PRECOMPILE_HEADERS ON)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set_source_files_properties(src/ops/cpu/kernels_avx2.cpp PROPERTIES COMPILE_OPTIONS "${_simd_options};-mavx2;-mfma" SKIP_PRECOMPILE_HEADERS ON)
  set_source_files_properties(src/ops/cpu/kernels_avx512.cpp PROPERTIES COMPILE_OPTIONS
    "${_simd_options};-mavx512f;-mavx512dq;-mavx512vl;-mfma;-mprefer-vector-width=512" SKIP_PRECOMPILE_HEADERS ON)
endif()
