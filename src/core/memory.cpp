#include "dreamfusion/core/memory.h"

#include <sys/resource.h>

#include <cstdio>

namespace dreamfusion {

std::size_t peak_resident_bytes() {
  rusage usage{};
  constexpr std::size_t kUnit = 1024;  // of ru_maxrss on Linux
  return getrusage(RUSAGE_SELF, &usage) == 0 ? static_cast<std::size_t>(usage.ru_maxrss) * kUnit : 0;
}

std::string bytes_text(std::size_t bytes) {
  const double megabytes = static_cast<double>(bytes) / 1e6;
  char text[32];
  if (megabytes >= 1000.0) std::snprintf(text, sizeof(text), "%.1f GB", megabytes / 1000.0);
  else std::snprintf(text, sizeof(text), megabytes < 9.95 ? "%.1f MB" : "%.0f MB", megabytes);
  return text;
}

}  // namespace dreamfusion
