# The small libraries, all from the distribution (scripts/setup.sh names the packages).
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(cxxopts 3.1 REQUIRED)

# stb has no CMake package: header-only, each implementation is compiled in exactly one source of the io module.
find_path(STB_INCLUDE stb_image_write.h PATH_SUFFIXES stb REQUIRED)
add_library(Stb::stb INTERFACE IMPORTED)
target_include_directories(Stb::stb SYSTEM INTERFACE ${STB_INCLUDE})

find_path(WEBP_INCLUDE webp/mux.h REQUIRED)
find_library(WEBP_LIBRARY webp REQUIRED)
find_library(WEBPMUX_LIBRARY webpmux REQUIRED)
add_library(WebP::webpmux INTERFACE IMPORTED)
target_include_directories(WebP::webpmux SYSTEM INTERFACE ${WEBP_INCLUDE})
target_link_libraries(WebP::webpmux INTERFACE ${WEBPMUX_LIBRARY} ${WEBP_LIBRARY})

find_path(MESHOPTIMIZER_INCLUDE meshoptimizer.h REQUIRED)
find_library(MESHOPTIMIZER_LIBRARY meshoptimizer REQUIRED)
add_library(MeshOptimizer::meshoptimizer INTERFACE IMPORTED)
target_include_directories(MeshOptimizer::meshoptimizer SYSTEM INTERFACE ${MESHOPTIMIZER_INCLUDE})
target_link_libraries(MeshOptimizer::meshoptimizer INTERFACE ${MESHOPTIMIZER_LIBRARY})

find_path(TINYGLTF_INCLUDE tiny_gltf.h REQUIRED)
find_library(TINYGLTF_LIBRARY tinygltf REQUIRED)
add_library(TinyGltf::tinygltf INTERFACE IMPORTED)
target_include_directories(TinyGltf::tinygltf SYSTEM INTERFACE ${TINYGLTF_INCLUDE})
target_link_libraries(TinyGltf::tinygltf INTERFACE ${TINYGLTF_LIBRARY})

find_path(TINYOBJ_INCLUDE tiny_obj_loader.h REQUIRED)
find_library(TINYOBJ_LIBRARY tinyobjloader REQUIRED)
add_library(TinyObj::tinyobj INTERFACE IMPORTED)
target_include_directories(TinyObj::tinyobj SYSTEM INTERFACE ${TINYOBJ_INCLUDE})
target_link_libraries(TinyObj::tinyobj INTERFACE ${TINYOBJ_LIBRARY})

# Unicode and regular expressions of the tokenizers.
find_path(UTF8PROC_INCLUDE utf8proc.h REQUIRED)
find_library(UTF8PROC_LIBRARY utf8proc REQUIRED)
add_library(Utf8proc::utf8proc INTERFACE IMPORTED)
target_include_directories(Utf8proc::utf8proc SYSTEM INTERFACE ${UTF8PROC_INCLUDE})
target_link_libraries(Utf8proc::utf8proc INTERFACE ${UTF8PROC_LIBRARY})

find_path(PCRE2_INCLUDE pcre2.h REQUIRED)
find_library(PCRE2_LIBRARY pcre2-8 REQUIRED)
add_library(Pcre2::pcre2 INTERFACE IMPORTED)
target_include_directories(Pcre2::pcre2 SYSTEM INTERFACE ${PCRE2_INCLUDE})
target_link_libraries(Pcre2::pcre2 INTERFACE ${PCRE2_LIBRARY})

if(DREAMFUSION_TESTS)
  find_package(GTest REQUIRED)
endif()
