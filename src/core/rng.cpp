#include "dreamfusion/core/rng.h"

#include <ATen/Functions.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <numbers>

namespace dreamfusion {
namespace {

// Multipliers and Weyl constants of Philox-4x32 (Random123, philox.h).
constexpr std::uint64_t kMultiplier0 = 0xD2511F53U;
constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57U;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;
constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;
constexpr int kRounds = 10;

constexpr std::uint32_t kRankBits = 24;

/// `u` in [0, 1) stretched to [low, high); rounding may not reach `high`.
template <class Number>
Number stretch(Number u, Number low, Number high) {
  const Number value = low + (high - low) * u;
  return value < high ? value : std::nextafter(high, low);
}

/// Box–Muller: two standard normals from u in (0, 1] and the turn v in [0, 1).
std::array<double, 2> box_muller(double u, double v) {
  const double radius = std::sqrt(-2.0 * std::log(u));
  const double angle = 2.0 * std::numbers::pi * v;
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = kMultiplier0 * counter[0];
    const std::uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

Rng::Rng(std::uint64_t seed, std::uint64_t step, RandomPurpose purpose, std::uint32_t rank)
    : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
      purpose_and_rank_(static_cast<std::uint32_t>(purpose) << kRankBits | rank),
      step_(step) {
  TORCH_CHECK(rank < 1U << kRankBits, "Rng: rank ", rank, " does not fit into ", kRankBits, " bits");
}

void Rng::refill() {
  const auto step_low = static_cast<std::uint32_t>(step_);
  const auto step_high = static_cast<std::uint32_t>(step_ >> 32);
  words_ = philox4x32({block_, step_low, step_high, purpose_and_rank_}, key_);
  ++block_;
  TORCH_CHECK(block_ != 0, "Rng: this stream is used up (2^34 words)");
  next_word_ = 0;
}

std::uint32_t Rng::next_u32() {
  if (next_word_ == 4) refill();
  return words_[static_cast<std::size_t>(next_word_++)];
}

double Rng::uniform(double low, double high) {
  TORCH_CHECK(low <= high, "Rng::uniform: low ", low, " is above high ", high);
  const std::uint64_t top = next_u32() >> 5;
  const std::uint64_t bottom = next_u32() >> 6;
  const double u = static_cast<double>(top << 26 | bottom) * 0x1p-53;
  return low < high ? stretch(u, low, high) : low;
}

double Rng::normal(double mean, double std) {
  const double u = 1.0 - uniform();
  return mean + std * box_muller(u, uniform())[0];
}

std::int64_t Rng::integer(std::int64_t low, std::int64_t high) {
  TORCH_CHECK(low <= high, "Rng::integer: low ", low, " is above high ", high);
  const std::uint64_t count = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
  // The lowest 2^64 mod count words are refused, so that every result has equally many; a count of 0 means all of 2^64.
  const std::uint64_t refused = count == 0 ? 0 : (0 - count) % count;
  std::uint64_t word = 0;
  do {
    const std::uint64_t top = next_u32();
    word = top << 32 | next_u32();
  } while (word < refused);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + (count == 0 ? word : word % count));
}

bool Rng::chance(double probability) { return uniform() < probability; }

at::Tensor Rng::uniform_tensor(const std::vector<std::int64_t>& shape, double low, double high) {
  TORCH_CHECK(low <= high, "Rng::uniform_tensor: low ", low, " is above high ", high);
  const auto low_value = static_cast<float>(low);
  const auto high_value = static_cast<float>(high);
  at::Tensor tensor = at::empty(shape, at::kFloat);
  float* values = tensor.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    const float u = static_cast<float>(next_u32() >> 8) * 0x1p-24F;
    values[i] = low_value < high_value ? stretch(u, low_value, high_value) : low_value;
  }
  return tensor;
}

at::Tensor Rng::normal_tensor(const std::vector<std::int64_t>& shape) {
  at::Tensor tensor = at::empty(shape, at::kFloat);
  float* values = tensor.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < tensor.numel(); i += 2) {
    const double u = (static_cast<double>(next_u32()) + 1.0) * 0x1p-32;
    const double v = static_cast<double>(next_u32()) * 0x1p-32;
    const auto pair = box_muller(u, v);
    values[i] = static_cast<float>(pair[0]);
    if (i + 1 < tensor.numel()) values[i + 1] = static_cast<float>(pair[1]);
  }
  return tensor;
}

}  // namespace dreamfusion
