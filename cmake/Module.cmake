# dreamfusion_module(<name> DEPENDS <lower modules…> LIBRARIES <external targets…>)
#
# One static library per module from src/<name>/**.cpp (and cuda/*.cu where nvcc is); public headers in include/dreamfusion/<name>.
# A dependency that is not declared before its user is refused, so the graph cannot have a cycle.
set(DREAMFUSION_MODULES "" CACHE INTERNAL "modules in order")

function(dreamfusion_module name)
  cmake_parse_arguments(MODULE "" "" "DEPENDS;LIBRARIES" ${ARGN})
  foreach(dependency IN LISTS MODULE_DEPENDS)
    if(NOT dependency IN_LIST DREAMFUSION_MODULES)
      message(FATAL_ERROR "Module ${name} depends on ${dependency}, which is not declared before it: "
        "modules may only call downwards (docs/architecture.md)")
    endif()
  endforeach()

  set(target dreamfusion_${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  file(GLOB kernels CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/cuda/*.cu)
  if(DREAMFUSION_WITH_CUDA)
    list(APPEND sources ${kernels})
  else()  # without kernels nothing calls what starts them
    list(FILTER sources EXCLUDE REGEX "/src/${name}/cuda/")
  endif()
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/dreamfusion/${name}/*.h)
  if(sources)
    add_library(${target} STATIC ${sources} ${headers})
    target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR}/include PRIVATE ${CMAKE_SOURCE_DIR}/src/${name})
    target_link_libraries(${target} PRIVATE dreamfusion_warnings)
    dreamfusion_precompile(${target})
    set(scope PUBLIC)
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${CMAKE_SOURCE_DIR}/include)
    set(scope INTERFACE)
  endif()
  list(TRANSFORM MODULE_DEPENDS PREPEND dreamfusion_ OUTPUT_VARIABLE dependency_targets)
  target_link_libraries(${target} ${scope} ${dependency_targets} ${MODULE_LIBRARIES})

  set(DREAMFUSION_MODULES ${DREAMFUSION_MODULES} ${name} CACHE INTERNAL "modules in order")
  set(DREAMFUSION_DEPENDS_${name} "${MODULE_DEPENDS}" CACHE INTERNAL "modules that ${name} may include")
endfunction()
