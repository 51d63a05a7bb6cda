#pragma once
/// Every option of a run, as plain structs.
///
/// Each struct names its options once, in `visit`; the strict JSON reader, the writer, `key=value` overrides, --help-config and
/// the docs all walk that one list. A visitor has
///   section(name, member, help)                       a nested struct
///   option(name, member, help)                        any value
///   option(name, member, help, Interval{low, high})   numbers, lists, intervals and schedules: every number in range
///   choice(name, member, help, {"a", "b"})            text, one of a list
#include <cstdint>
#include <string>

#include "dreamfusion/config/field_config.h"
#include "dreamfusion/config/guidance_config.h"
#include "dreamfusion/config/output_config.h"
#include "dreamfusion/config/refine_config.h"
#include "dreamfusion/config/render_config.h"
#include "dreamfusion/config/train_config.h"

namespace dreamfusion {

/// The defaults are those of configs/base.json: tuned to the prior that ships.
struct Config {
  std::string prompt;
  std::string prior;
  std::string device = "auto";
  std::int64_t threads = 0;
  double memory_budget_gb = 0.0;
  std::int64_t seed = 0;
  bool deterministic = true;
  std::int64_t iterations = 700;
  FieldConfig field;
  InitMeshConfig init_mesh;
  CameraConfig camera;
  LightConfig light;
  BackgroundConfig background;
  RenderConfig render;
  GuidanceConfig guidance;
  LossConfig loss;
  OptimizerConfig optimizer;
  TrainConfig train;
  TurntableConfig turntable;
  MeshConfig mesh;
  RefineConfig refine;

  template <class V>
  void visit(V& v) {
    v.option("prompt", prompt, "the sentence");
    v.option("prior", prior, "folder of the prior pack; empty = priors/starter-64 beside the program or in its checkout");
    v.option("device", device, "auto, cpu, cuda or cuda:N");
    v.option("threads", threads, "CPU threads; 0 = all cores", Interval{0, 1024});
    v.option("memory_budget_gb", memory_budget_gb, "main memory that tensors may take [GB, 10⁹ bytes]: steps take less at once so that they fit (docs/memory.md); 0 = all there is", Interval{0, 1e6});
    v.option("seed", seed, "same seed, same machine, same result", Interval{0, 9007199254740991.0});
    v.option("deterministic", deterministic, "on a GPU: sums in an order that does not change, so that the same seed gives the same result there too; false = whatever is fastest");
    v.option("iterations", iterations, "optimisation steps", Interval{1, 10000000});
    v.section("field", field, "the object's representation");
    v.section("init_mesh", init_mesh, "a shape of the user's to start from");
    v.section("camera", camera, "where training views are taken from");
    v.section("light", light, "how training views are lit");
    v.section("background", background, "what is behind the object in training views");
    v.section("render", render, "volume rendering");
    v.section("guidance", guidance, "score distillation from the prior");
    v.section("loss", loss, "weights of the losses");
    v.section("optimizer", optimizer, "the optimiser");
    v.section("train", train, "the training loop");
    v.section("turntable", turntable, "the turntable at the end");
    v.section("mesh", mesh, "the mesh at the end");
    v.section("refine", refine, "the mesh's refinement");
  }
};

}  // namespace dreamfusion
