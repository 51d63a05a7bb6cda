#pragma once
/// Options of score distillation and of the prompts.
#include <cstdint>
#include <string>

#include "dreamfusion/config/values.h"

namespace dreamfusion {

struct GuidanceConfig {
  double guidance_scale = 8.0;
  std::string weighting = "sigma2";
  std::string form = "gradient";
  std::string timestep_schedule = "uniform";
  ScheduledValue min_step_percent = 0.05;
  ScheduledValue max_step_percent{{{{0.0, true}, 0.98, 0.7, {0.8, true}}}};
  double guidance_rescale = 0.0;
  double dynamic_threshold = 0.0;
  ScheduledValue score_clip = 0.0;
  std::string view_conditioning = "auto";
  bool view_dependent_prompting = true;
  std::string view_blending = "quadrants";
  double front_threshold_deg = 45.0;
  double back_threshold_deg = 45.0;
  double overhead_threshold_deg = 60.0;
  std::string prompt_front, prompt_side, prompt_back, prompt_overhead;
  std::string negative_prompt;
  bool perp_neg = false;
  std::string posterior = "sample";
  std::int64_t latent_warmup_steps = 0;
  std::string vae = "pack";
  std::string prior_device = "auto";
  std::string prior_dtype = "auto";
  std::string prior_backend = "torchscript";
  std::int64_t prior_batch = 0;
  bool cuda_graphs = false;
  bool preview = false;

  template <class V>
  void visit(V& v) {
    v.option("guidance_scale", guidance_scale, "ω of DreamFusion: ε̂ = (1+ω)·ε(text) − ω·ε(null); what diffusers calls guidance_scale is ω + 1 (DreamFusion: 100)", Interval{0, 1000});
    v.choice("weighting", weighting, "w(t) of the SDS gradient: sigma2 = σ_t² (DreamFusion), uniform = 1, fantasia3d = √ᾱ_t·(1 − ᾱ_t), x0 = σ_t/α_t: the gradient of ½‖x − x̂₀‖² (MVDream)", {"sigma2", "uniform", "fantasia3d", "x0"});
    v.choice("form", form, "how the gradient g enters the graph: gradient = Σ x·sg[g], reconstruction = ½‖x − sg[x − g]‖²; the same update, the second one's value is ½‖g‖²", {"gradient", "reconstruction"});
    v.choice("timestep_schedule", timestep_schedule, "time steps: uniform = at random between the two bounds (DreamFusion), sqrt = falling from the largest to the smallest as √(share of the run) (HiFA)", {"uniform", "sqrt"});
    v.option("min_step_percent", min_step_percent, "smallest noise level, as a share of the prior's time steps (DreamFusion: 0.02)", Interval{0, 1});
    v.option("max_step_percent", max_step_percent, "largest noise level, as a share of the prior's time steps (DreamFusion: 0.98)", Interval{0, 1});
    v.option("guidance_rescale", guidance_rescale, "share φ by which the guided x̂₀ is brought back to the spread of the unguided one (MVDream: 0.5); 0 = off", Interval{0, 1});
    v.option("dynamic_threshold", dynamic_threshold, "percentile of |x̂₀| that the guided x̂₀ is clipped to and scaled by (Imagen: 99.5); 0 = off", Interval{0, 100});
    v.option("score_clip", score_clip, "largest magnitude of an element of w(t)(ε̂ − ε) (D-SDS: [0, 0.5, 2.0, 10000]); 0 = off", Interval{0, 1e6});
    v.choice("view_conditioning", view_conditioning, "how the prior learns the view: camera = its camera input, words = \", front view\" in the prompt, auto = both where the pack has a camera input", {"auto", "words", "camera"});
    v.option("view_dependent_prompting", view_dependent_prompting, "append the view words to the prompt");
    v.choice("view_blending", view_blending, "embeddings between the views: quadrants = the nearest view's (DreamFusion's appendix), interpolate = a mix by azimuth (its main text; always with perp_neg)", {"quadrants", "interpolate"});
    v.option("front_threshold_deg", front_threshold_deg, "|azimuth| up to this is the front view", Interval{0, 180});
    v.option("back_threshold_deg", back_threshold_deg, "|azimuth| from 180° minus this is the back view", Interval{0, 180});
    v.option("overhead_threshold_deg", overhead_threshold_deg, "elevation above this is the overhead view", Interval{0, 90});
    v.option("prompt_front", prompt_front, "the front view's whole prompt; empty = prompt and view words");
    v.option("prompt_side", prompt_side, "the side views' whole prompt");
    v.option("prompt_back", prompt_back, "the back view's whole prompt");
    v.option("prompt_overhead", prompt_overhead, "the overhead view's whole prompt");
    v.option("negative_prompt", negative_prompt, "what to keep away from: takes the place of the empty text in the guidance");
    v.option("perp_neg", perp_neg, "Perp-Neg (arXiv:2304.04968): the prompts of the other views push away, but only across the wanted one; weights as published in threestudio");
    v.choice("posterior", posterior, "latent priors: the image encoder's latent is a draw from its posterior (sample) or the mean", {"sample", "mean"});
    v.option("latent_warmup_steps", latent_warmup_steps, "latent priors of 4 channels: so many first steps take normals and opacity themselves for the latent, without the image encoder (Latent-NeRF, stable-dreamfusion)", Interval{0, 10000000});
    v.option("vae", vae, "latent priors: pack = the prior's own image encoder, taesd = the small one that ships (a tenth of the memory), or the folder of another");
    v.option("prior_device", prior_device, "where the prior runs, if not on `device`: cpu, cuda or cuda:N; auto = the same");
    v.choice("prior_dtype", prior_dtype, "what the prior computes in: pack = what its modules are made for, auto = that on a GPU, float32 on a CPU; bfloat16 = products and convolutions of rounded operands: faster on processors with AVX-512 BF16 or AMX, at the cost of some accuracy (docs/priors.md)", {"auto", "float32", "bfloat16", "pack"});
    v.choice("prior_backend", prior_backend, "what runs the prior's network: torchscript, or aot_inductor where the pack was exported with --compile for this device (docs/priors.md)", {"torchscript", "aot_inductor"});
    v.option("prior_batch", prior_batch, "images that the prior's network takes at once; 0 = all of a step, fewer where memory ends", Interval{0, 4096});
    v.option("cuda_graphs", cuda_graphs, "on a GPU: the prior's network and image encoder are recorded as CUDA graphs and replayed; each graph keeps its activations in memory, is compared with the network first, and given up where it differs");
    v.option("preview", preview, "with each preview also write guidance_preview.png: render, noisy, one-step x̂₀, target");
  }
};

}  // namespace dreamfusion
