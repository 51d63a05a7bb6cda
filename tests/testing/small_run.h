#pragma once
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "dreamfusion/config/config.h"
#include "dreamfusion/train/checkpoint.h"

namespace dreamfusion::testing {

/// A run of seconds against a prior whose answer is known: a disc of the colour that the prompt names.
inline Config small_config() {
  Config config;
  config.prompt = "a red ball";
  config.device = "cpu";  // where the tests' own tensors are
  config.iterations = 8;
  config.field.hash.resolutions = {8, 16};
  config.field.hash.width = 16;
  config.render.train_resolution = 16;
  config.render.samples_per_ray = 16;
  config.render.occupancy_resolution = 16;
  config.render.occupancy_refresh = 3;
  config.light.lit_probability = 0.5;
  config.guidance.guidance_scale = 1.0;
  config.train.batch_size = 2;
  config.train.log_every = 1;
  config.train.checkpoint_every = 3;
  config.train.preview_every = 0;
  config.turntable.frames = 0;
  return config;
}

inline void expect_same(const Checkpoint& a, const Checkpoint& b) {
  ASSERT_EQ(a.step, b.step);
  ASSERT_EQ(a.state.size(), b.state.size());
  for (const auto& [name, tensor] : a.state) EXPECT_TRUE(at::equal(tensor, b.state.at(name))) << name;
}

}  // namespace dreamfusion::testing
