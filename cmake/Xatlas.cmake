# Xatlas::xatlas, compiled from the sources that scripts/setup.sh put into the cache folder.
#
# Looked for in: -DDREAMFUSION_XATLAS=, $XATLAS, the cache folder. Included after LibTorch.cmake, whose _cache it uses.
set(DREAMFUSION_XATLAS "" CACHE PATH "Folder that holds xatlas.cpp and xatlas.h")
find_path(DREAMFUSION_XATLAS_SOURCE xatlas.cpp NO_DEFAULT_PATH PATHS ${DREAMFUSION_XATLAS} $ENV{XATLAS} ${_cache}/xatlas-0.0.9)
if(NOT DREAMFUSION_XATLAS_SOURCE)
  message(FATAL_ERROR "The sources of xatlas were not found.\n"
    "  looked in: DREAMFUSION_XATLAS, $XATLAS, ${_cache}/xatlas-0.0.9\n"
    "  fix: run scripts/setup.sh, or configure with -DDREAMFUSION_XATLAS=<folder with xatlas.cpp and xatlas.h>")
endif()
add_library(xatlas STATIC ${DREAMFUSION_XATLAS_SOURCE}/xatlas.cpp)
target_include_directories(xatlas SYSTEM PUBLIC ${DREAMFUSION_XATLAS_SOURCE})
target_compile_options(xatlas PRIVATE -w)
find_package(Threads REQUIRED)
target_link_libraries(xatlas PUBLIC Threads::Threads)
add_library(Xatlas::xatlas ALIAS xatlas)
