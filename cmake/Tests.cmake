# One test executable per module from tests/<module>/*_test.cpp, run by ctest one GoogleTest case at a time.
include(GoogleTest)
add_library(dreamfusion_testing INTERFACE)
target_include_directories(dreamfusion_testing INTERFACE ${CMAKE_SOURCE_DIR}/tests)
target_compile_definitions(dreamfusion_testing INTERFACE
  DREAMFUSION_SOURCE_DIR="${CMAKE_SOURCE_DIR}" DREAMFUSION_BINARY="$<TARGET_FILE:dreamfusion>")
target_link_libraries(dreamfusion_testing INTERFACE GTest::gtest GTest::gtest_main dreamfusion_warnings)

# Fixtures that tests of several modules build on: tests/testing/*.cpp (a tiny prior pack with a known answer).
file(GLOB fixtures CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/testing/*.cpp)
add_library(dreamfusion_fixtures STATIC ${fixtures})
target_link_libraries(dreamfusion_fixtures PUBLIC dreamfusion_guidance dreamfusion_testing)
dreamfusion_precompile(dreamfusion_fixtures)

foreach(module IN LISTS DREAMFUSION_MODULES)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${module}/*_test.cpp)
  if(sources)
    add_executable(${module}_tests ${sources})
    target_link_libraries(${module}_tests PRIVATE dreamfusion_${module} dreamfusion_testing)
    target_include_directories(${module}_tests PRIVATE ${CMAKE_SOURCE_DIR}/src/${module})
    dreamfusion_precompile(${module}_tests)
    if(module STREQUAL guidance OR guidance IN_LIST DREAMFUSION_DEPENDS_${module})
      target_link_libraries(${module}_tests PRIVATE dreamfusion_fixtures)
    endif()
    gtest_discover_tests(${module}_tests TEST_PREFIX "${module}." NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60
      PROPERTIES LABELS unit TIMEOUT 300)
  endif()
endforeach()
if(TARGET app_tests)  # these run the real executable
  add_dependencies(app_tests dreamfusion)
endif()

add_test(NAME architecture.includes
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${CMAKE_SOURCE_DIR} -DBINARY_DIR=${CMAKE_BINARY_DIR}
          -P ${CMAKE_SOURCE_DIR}/cmake/CheckIncludes.cmake)
if(EXISTS ${CMAKE_SOURCE_DIR}/tests/scripts/setup_test.sh)
  add_test(NAME scripts.setup COMMAND bash ${CMAKE_SOURCE_DIR}/tests/scripts/setup_test.sh)
endif()

# What CheckIncludes.cmake reads: the same lists that built the targets.
set(_graph "")
foreach(module IN LISTS DREAMFUSION_MODULES)
  string(APPEND _graph "set(DEPENDS_${module} \"${DREAMFUSION_DEPENDS_${module}}\")\n")
endforeach()
file(WRITE ${CMAKE_BINARY_DIR}/module_graph.cmake "set(MODULES \"${DREAMFUSION_MODULES}\")\n${_graph}")

# The exporter (Python) and what this program makes of its packs. scripts/test.sh names the Python that has its requirements.
set(DREAMFUSION_EXPORT_PYTHON "" CACHE FILEPATH "Python with scripts/requirements-export.txt; empty: without the exporter's tests")
if(DREAMFUSION_EXPORT_PYTHON)
  set(_scripts ${CMAKE_SOURCE_DIR}/tests/exporter)
  set(_packs ${CMAKE_BINARY_DIR}/exported_packs)
  file(GLOB _sources CONFIGURE_DEPENDS ${_scripts}/*_test.cpp)
  add_executable(exporter_tests ${_sources})
  target_link_libraries(exporter_tests PRIVATE dreamfusion_guidance dreamfusion_testing)
  dreamfusion_precompile(exporter_tests)
  add_test(NAME exporter.make_packs COMMAND ${DREAMFUSION_EXPORT_PYTHON} ${_scripts}/make_packs.py ${_packs})
  add_test(NAME exporter.python COMMAND ${DREAMFUSION_EXPORT_PYTHON} ${_scripts}/exporter_test.py ${_packs})
  add_test(NAME exporter.parity COMMAND exporter_tests)
  add_test(NAME exporter.main_job COMMAND ${_scripts}/main_job.sh $<TARGET_FILE:dreamfusion> ${_packs})
  # A model of Stable Diffusion 1.5's size (8 GB of disk, 10 GB of memory, a quarter of an hour): scripts/test.sh -L heavy
  add_test(NAME exporter.full_size COMMAND ${_scripts}/full_size.sh ${DREAMFUSION_EXPORT_PYTHON} $<TARGET_FILE:dreamfusion>
           ${CMAKE_BINARY_DIR}/full_size_pack)
  set_tests_properties(exporter.make_packs PROPERTIES LABELS exporter FIXTURES_SETUP exported_packs TIMEOUT 600 ENVIRONMENT OMP_NUM_THREADS=1)
  set_tests_properties(exporter.python PROPERTIES LABELS exporter FIXTURES_REQUIRED exported_packs TIMEOUT 900 ENVIRONMENT OMP_NUM_THREADS=1)
  set_tests_properties(exporter.parity PROPERTIES LABELS exporter FIXTURES_REQUIRED exported_packs TIMEOUT 600
    ENVIRONMENT DREAMFUSION_EXPORTED_PACKS=${_packs})
  set_tests_properties(exporter.main_job PROPERTIES LABELS exporter FIXTURES_REQUIRED exported_packs TIMEOUT 600
    ENVIRONMENT DREAMFUSION_HOME=${CMAKE_SOURCE_DIR})
  set_tests_properties(exporter.full_size PROPERTIES LABELS heavy TIMEOUT 7200 RUN_SERIAL ON)
endif()
