#include "dreamfusion/core/memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <c10/util/Exception.h>
#include <malloc.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <new>
#include <string_view>

namespace dreamfusion {
namespace {

std::atomic<std::size_t> now_bytes{0}, peak_bytes{0}, budget_bytes{0};
std::array<std::atomic<std::size_t>, kParts> part_peaks{};
std::atomic<bool> counts{false};

void raise_to(std::atomic<std::size_t>& peak, std::size_t value) {
  std::size_t seen = peak.load(std::memory_order_relaxed);
  while (seen < value && !peak.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

/// What a block really takes. The same when it is given as when it is taken back, so nothing has to be kept beside it.
std::size_t size_of(void* block) { return block == nullptr ? 0 : malloc_usable_size(block); }

void give_back(void* block) {
  now_bytes.fetch_sub(size_of(block), std::memory_order_relaxed);
  c10::free_cpu(block);
}

class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    const std::size_t budget = budget_bytes.load(std::memory_order_relaxed), before = now_bytes.load(std::memory_order_relaxed);
    TORCH_CHECK_WITH(OutOfMemoryError, budget == 0 || before + bytes <= budget, "out of memory: ", bytes_text(bytes), " more than the ",
                     bytes_text(before), " there are would pass the budget of ", bytes_text(budget));
    void* block = c10::alloc_cpu(bytes);
    const std::size_t total = now_bytes.fetch_add(size_of(block), std::memory_order_relaxed) + size_of(block);
    raise_to(peak_bytes, total);
    raise_to(part_peaks[static_cast<std::size_t>(current_part())], total);
    return {block, block, &give_back, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { std::memcpy(to, from, bytes); }
};

}  // namespace

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

void install_memory_counter() {
  static CountingAllocator allocator;
  if (counts.exchange(true)) return;
  c10::SetCPUAllocator(&allocator, /*priority=*/100);
}

TensorMemory tensor_memory() {
  TensorMemory memory{now_bytes.load(), peak_bytes.load(), {}};
  for (std::size_t part = 0; part < part_peaks.size(); ++part) memory.peak_of_part[part] = part_peaks[part].load();
  return memory;
}

void reset_memory_peaks() {
  peak_bytes.store(now_bytes.load());
  for (auto& peak : part_peaks) peak.store(0);
}

void set_memory_budget(std::size_t bytes) { budget_bytes.store(bytes); }
std::size_t memory_budget() { return budget_bytes.load(); }

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr || dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  // TorchScript's interpreter and the CPU's allocator only say it in words.
  const std::string_view text = error.what();
  for (const char* words : {"out of memory", "can't allocate memory", "not enough memory"})
    if (text.find(words) != std::string_view::npos) return true;
  return false;
}

}  // namespace dreamfusion
