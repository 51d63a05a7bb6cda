# ATen's headers are most of what there is to compile in a file that touches a tensor: 11 of 15 seconds. They are parsed once, and every
# module and test starts from the result. Files still include what they use: DREAMFUSION_PRECOMPILE=OFF compiles them without.
option(DREAMFUSION_PRECOMPILE "Parse LibTorch's headers once for all files" ON)

if(DREAMFUSION_PRECOMPILE)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/precompiled.cpp CONTENT "// Its precompiled header is what this target is for.\n")
  add_library(dreamfusion_precompiled OBJECT ${CMAKE_BINARY_DIR}/precompiled.cpp)
  # The warnings too: a header made without -Wpedantic is not taken with it.
  target_link_libraries(dreamfusion_precompiled PRIVATE LibTorch::torch dreamfusion_warnings)
  target_precompile_headers(dreamfusion_precompiled PRIVATE <ATen/ATen.h>)
endif()

# Not for files with options of their own, such as those of one instruction set: set SKIP_PRECOMPILE_HEADERS on them.
function(dreamfusion_precompile target)
  if(DREAMFUSION_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM dreamfusion_precompiled)
  endif()
endfunction()
