#pragma once
#include <cstddef>
#include <string>

namespace dreamfusion {

/// The most main memory that this process has held at once [bytes]; 0 where the system does not tell.
std::size_t peak_resident_bytes();

/// "3.4 GB", "27 MB": decimal units, two or three digits.
std::string bytes_text(std::size_t bytes);

}  // namespace dreamfusion
