/// The real executable, from argv to exit code, with a prior of a few kilobytes.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "dreamfusion/io/image.h"
#include "testing/temporary_folder.h"
#include "testing/text_files.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;
using testing::read_text;
using testing::write_text;

struct Outcome {
  int exit_code = -1;
  std::string out, err;
};

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

class CommandLine : public ::testing::Test {
 protected:
  void SetUp() override { pack_ = testing::write_tiny_prior_pack(folder_.path() / "pack"); }

  std::string command(const std::vector<std::string>& arguments) const {
    std::string line = "cd " + quoted(folder_.path().string()) + " && exec " + DREAMFUSION_BINARY;
    for (const std::string& argument : arguments) line += " " + quoted(argument);
    return line + " > out.txt 2> err.txt < /dev/null";
  }
  Outcome run(const std::vector<std::string>& arguments) const {
    const int status = std::system(command(arguments).c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_text(folder_.path() / "out.txt"),
            read_text(folder_.path() / "err.txt")};
  }
  /// A run of a second or two, and whatever else.
  std::vector<std::string> small_run(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"--prompt", "a red ball", "--prior", pack_.string(), "-o", "run", "--device", "cpu", "--threads", "1",
                                          "--iters", "12", "field.hash.resolutions=[8,16]", "field.hash.width=16",
                                          "render.train_resolution=16", "render.samples_per_ray=24", "turntable.frames=3",
                                          "turntable.size=24", "mesh.resolution=24", "mesh.texture_size=64", "train.checkpoint_every=4"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  void expect_fault(const Outcome& outcome, int exit_code, const std::string& words) const {
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
    EXPECT_NE(outcome.err.find(words), std::string::npos) << "wanted: " << words << "\ngot: " << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
  /// Starts a run, sends the signal once it has logged a step, and waits. @return the status of waitpid
  int signal_in_the_middle(const std::vector<std::string>& arguments, int signal) const {
    const std::string line = command(arguments);
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      ::_exit(127);
    }
    for (int i = 0; i < 600 && read_text(path("run/metrics.jsonl")).empty(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    ::kill(child, signal);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status;
  }
  fs::path path(const std::string& name) const { return folder_.path() / name; }

  testing::TemporaryFolder folder_;
  fs::path pack_;
};

TEST_F(CommandLine, MainJobLeavesEverythingThatItPromises) {
  const Outcome outcome = run(small_run());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* name : {"config.json", "run.json", "metrics.jsonl", "preview.png", "mesh.obj", "mesh.mtl", "mesh.png", "mesh.glb", "mesh_report.json",
                           "mesh_preview.png", "checkpoints/step_00000012/state.pt",
                           "turntable/frame_0000.png", "turntable/normal_0002.png", "turntable/opacity_0001.png",
                           "turntable/turntable.webp"}) {
    EXPECT_TRUE(fs::exists(path("run") / name)) << name;
  }
  EXPECT_NE(outcome.out.find("run/mesh.obj"), std::string::npos) << outcome.out;
  const auto provenance = nlohmann::json::parse(read_text(path("run/run.json")));
  EXPECT_EQ(provenance["status"], "done");
  EXPECT_EQ(provenance["prompt"], "a red ball");
  EXPECT_EQ(provenance["prior"]["hash"].get<std::string>().size(), 64u);
  EXPECT_NE(provenance["command"].get<std::string>().find("'a red ball'"), std::string::npos);
}

TEST_F(CommandLine, StoppedAndResumedEqualsUninterrupted) {
  ASSERT_EQ(run(small_run()).exit_code, 0);
  const std::string whole = read_text(path("run/mesh.obj"));
  ASSERT_FALSE(whole.empty());
  EXPECT_EQ(run(small_run({"--force", "--stop-at", "5"})).exit_code, 130);
  EXPECT_FALSE(fs::exists(path("run/mesh.obj")));
  const Outcome resumed = run({"--resume=run"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(read_text(path("run/mesh.obj")), whole);
}

TEST_F(CommandLine, CtrlCWritesACheckpointAndExits130) {
  const int status = signal_in_the_middle(small_run({"--iters", "100000", "train.checkpoint_every=0"}), SIGINT);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130) << read_text(path("err.txt"));
  EXPECT_EQ(testing::names_in(path("run/checkpoints")).size(), 1u);
  EXPECT_NE(read_text(path("err.txt")).find("--resume"), std::string::npos);
}

TEST_F(CommandLine, KilledInTheMiddleItResumesWithNothingHalfWritten) {
  const int status = signal_in_the_middle(small_run({"--iters", "100000", "train.checkpoint_every=1"}), SIGKILL);
  ASSERT_TRUE(WIFSIGNALED(status));
  const Outcome resumed = run({"--resume=run", "--iters", "100000", "--stop-at", "1"});
  EXPECT_EQ(resumed.exit_code, 130) << resumed.err;
  EXPECT_NE(resumed.err.find("going on from step"), std::string::npos) << resumed.err;
  for (const std::string& name : testing::names_in(path("run/checkpoints"))) EXPECT_FALSE(name.starts_with(".tmp")) << name;
}

TEST_F(CommandLine, ExistingRunIsNeitherResumedNorOverwrittenInSilence) {
  ASSERT_EQ(run(small_run()).exit_code, 0);
  const std::string before = read_text(path("run/metrics.jsonl"));
  expect_fault(run(small_run()), 2, "already holds a run");
  EXPECT_EQ(read_text(path("run/metrics.jsonl")), before);
  expect_fault(run(small_run({"--resume", "--seed", "3"})), 2, "seed was 0, now 3");
  expect_fault(run(small_run({"--resume", "--force"})), 2, "exclude each other");
  EXPECT_EQ(run(small_run({"--force", "--seed", "3"})).exit_code, 0);
}

TEST_F(CommandLine, AFolderWithSomethingElseInItIsLeftAlone) {
  fs::create_directories(path("run"));
  write_text(path("run/thesis.txt"), "important");
  expect_fault(run(small_run({"--force"})), 2, "not a run's");
  EXPECT_EQ(testing::names_in(path("run")).size(), 1u);
}

TEST_F(CommandLine, WrongUsageIsExplained) {
  expect_fault(run({}), 2, "the prompt is empty");
  expect_fault(run({"--prompt", "   "}), 2, "the prompt is empty");
  expect_fault(run({"--promt", "a red ball"}), 2, "did you mean --prompt?");
  expect_fault(run({"a red ball"}), 2, "--prompt");
  expect_fault(run({"exprot", "run"}), 2, "did you mean export?");
  expect_fault(run({"--prompt", "x", "a red ball"}), 2, "a red ball");
  expect_fault(run({"--prompt", "x", "guidance.guidance_scal=3"}), 2, "guidance.guidance_scale");
  expect_fault(run({"--prompt", "x", "--seed", "1.7"}), 2, "seed");
  expect_fault(run({"--prompt", "x", "--iters", "-3"}), 2, "iterations");
  expect_fault(run({"--prompt", "x", "--config", "nowhere.json"}), 2, "nowhere.json");
  expect_fault(run({"--prompt", "x", "--device", "gpu"}), 2, "gpu");
  expect_fault(run({"render"}), 2, "no run was named");
  expect_fault(run({"render", "nowhere"}), 2, "not a run folder");
  expect_fault(run({"--prompt", "x", "--seed"}), 2, "seed");
}

TEST_F(CommandLine, ConfigFilesAreStrict) {
  write_text(path("typo.json"), "{ \"guidance\": { \"guidence_scale\": 3 }, \"iterations\": 1.5 }");
  const Outcome outcome = run({"--prompt", "x", "--config", "typo.json"});
  expect_fault(outcome, 2, "guidance.guidance_scale");
  EXPECT_NE(outcome.err.find("iterations"), std::string::npos) << "all problems at once: " << outcome.err;
}

TEST_F(CommandLine, DashesEqualUnderscores) {
  EXPECT_EQ(run({"--print_config", "--prompt", "x"}).exit_code, 0);
  EXPECT_EQ(run({"--print-config", "--prompt", "x", "guidance.guidance-scale=3"}).exit_code, 0);
}

TEST_F(CommandLine, InformationGoesToStdoutAndSucceeds) {
  for (const char* option : {"--help", "--help-config", "--version"}) {
    const Outcome outcome = run({option});
    EXPECT_EQ(outcome.exit_code, 0) << option;
    EXPECT_GT(outcome.out.size(), 20u) << option;
    EXPECT_EQ(outcome.out.find("(=)"), std::string::npos) << option;
  }
  const Outcome config = run({"--print-config", "--prompt", "a, b", "--seed", "7"});
  const auto json = nlohmann::json::parse(config.out);
  EXPECT_EQ(json["prompt"], "a, b");
  EXPECT_EQ(json["seed"], 7);
}

TEST_F(CommandLine, DamagedPackIsNamedBeforeAnythingIsWritten) {
  for (const char* file : {"unet.pt", "text_encoder.pt", "vocabulary.json", "prior.json"}) {
    const std::string bytes = read_text(pack_ / file);
    write_text(pack_ / file, bytes.substr(0, bytes.size() / 2));
    expect_fault(run(small_run()), 1, file);
    fs::remove(pack_ / file);
    expect_fault(run(small_run()), 1, file);
    write_text(pack_ / file, bytes);
  }
  EXPECT_FALSE(fs::exists(path("run")));
}

TEST_F(CommandLine, UnwritableOutputIsAFault) {
  write_text(path("run"), "a file");
  expect_fault(run(small_run()), 2, "is a file");
}

TEST_F(CommandLine, RenderAndExportWorkFromACheckpointAlone) {
  ASSERT_EQ(run(small_run()).exit_code, 0);
  const std::string mesh = read_text(path("run/mesh.obj"));
  fs::remove_all(pack_);  // neither needs the prior
  fs::remove_all(path("run/turntable"));
  for (const char* channel : {"color", "normal", "opacity", "depth"}) {
    const Outcome outcome = run({"render", "run", "--azimuth", "-30", "--elevation", "10", "--size", "32", "--channel", channel,
                                 "-o", std::string(channel) + ".png"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_TRUE(fs::exists(path(std::string(channel) + ".png")));
  }
  EXPECT_EQ(run({"export", "run", "-o", "again.obj"}).exit_code, 0);
  std::string again = read_text(path("again.obj"));
  again.replace(again.find("mtllib again.mtl"), 16, "mtllib mesh.mtl");
  EXPECT_TRUE(again == mesh);
  EXPECT_TRUE(read_text(path("again.png")) == read_text(path("run/mesh.png")));
  EXPECT_EQ(run({"export", "run", "-o", "finer.obj", "mesh.resolution=32", "min-component=0.1"}).exit_code, 0);
  EXPECT_NE(read_text(path("finer.obj")), mesh);
  expect_fault(run({"export", "run", "field.hash.width=8"}), 2, "field.hash.width=8");
  expect_fault(run({"render", "run", "--light", "disco"}), 2, "disco");
  expect_fault(run({"render", "run", "--size", "0"}), 2, "--size");
}

TEST_F(CommandLine, RenderTakesPathsLightsAndBackdrops) {
  ASSERT_EQ(run(small_run()).exit_code, 0);
  write_text(path("orbit.json"), R"({"orbit": {"frames": 3, "elevation_deg": 10}})");
  write_text(path("poses.json"), R"({"poses": [{"azimuth_deg": 90, "target": [0, 0, 0.1]},
      {"world_from_camera": [0, 0, 1, 2.6,  1, 0, 0, 0,  0, 1, 0, 0,  0, 0, 0, 1], "fov_y_deg": 50}]})");
  write_text(path("lights.json"), R"({"ambient": 0.2, "lights": [{"type": "directional", "direction": [1, 0, 1], "color": [1, 0.5, 0.2]},
      {"type": "point", "position": [0, 2, 1], "color": 0.4}]})");
  Outcome outcome = run({"render", "run", "--camera-path", "orbit.json", "--lights", "lights.json", "--size", "24", "--passes", "-o", "frames"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* file : {"frame_0000.png", "frame_0002.png", "frame_0001_normal.png", "frame_0001_depth.pfm", "render.webp"}) {
    EXPECT_TRUE(fs::exists(path("frames") / file)) << file;
  }
  EXPECT_EQ(read_text(path("frames/frame_0000_depth.pfm")).substr(0, 14), "Pf\n24 24\n-1.0\n");
  EXPECT_EQ(run({"render", "run", "--camera-path", "poses.json", "--size", "24", "-o", "two"}).exit_code, 0);
  EXPECT_FALSE(fs::exists(path("two/frame_0002.png")));

  // Over a picture, in that picture's light, and cut out.
  ASSERT_EQ(run({"render", "run", "--size", "24", "--background", "transparent", "-o", "cut.png"}).exit_code, 0);
  EXPECT_EQ(read_image(path("cut.png")).size(2), 4);
  ASSERT_EQ(run({"render", "run", "--size", "24", "--background", "0.1,0.5,0.9", "-o", "blue.png"}).exit_code, 0);
  EXPECT_NEAR(read_image(path("blue.png"))[0][0][1].item<double>(), 0.5, 0.01);
  ASSERT_EQ(run({"render", "run", "--size", "24", "--background", "blue.png", "--environment", "blue.png", "-o", "over.png"}).exit_code, 0);
  EXPECT_NEAR(read_image(path("over.png"))[0][0][2].item<double>(), 0.9, 0.01);

  // The ground takes the shadow of what stands on it; a picture may have any two edges.
  ASSERT_EQ(run({"render", "run", "--size", "32x24", "--lights", "lights.json", "--background", "0.8", "-o", "plain.png"}).exit_code, 0);
  ASSERT_EQ(run({"render", "run", "--size", "32x24", "--lights", "lights.json", "--background", "0.8", "--ground", "auto", "-o", "shadow.png"}).exit_code, 0);
  const at::Tensor plain = read_image(path("plain.png")), shadow = read_image(path("shadow.png"));
  EXPECT_EQ(plain.sizes(), (std::vector<std::int64_t>{24, 32, 3}));
  EXPECT_LT((shadow - plain).min().item<double>(), -0.05);
  EXPECT_LT((shadow - plain).max().item<double>(), 0.005);
  ASSERT_EQ(run({"render", "run", "--size", "24", "--background", "transparent", "--ground", "-0.7", "-o", "cut.png"}).exit_code, 0);
  EXPECT_EQ(read_image(path("cut.png")).size(2), 4);
  expect_fault(run({"render", "run", "--ground", "floor"}), 2, "floor");
  expect_fault(run({"render", "run", "--size", "24x"}), 2, "24x");
  expect_fault(run({"render", "run", "--size", "0"}), 2, "--size");

  write_text(path("wrong.json"), R"({"lights": [{"type": "laser", "color": [1, 2], "positon": [0, 0, 1]}]})");
  outcome = run({"render", "run", "--lights", "wrong.json"});
  for (const char* part : {"wrong.json", "lights[0].type", "lights[0].color", "lights[0].positon"}) expect_fault(outcome, 2, part);
  write_text(path("wrong.json"), R"({"poses": []})");
  expect_fault(run({"render", "run", "--camera-path", "wrong.json"}), 2, "at least one pose");
  expect_fault(run({"render", "run", "--background", "beige"}), 2, "beige");
  expect_fault(run({"render", "run", "--environment", "nowhere.hdr"}), 1, "nowhere.hdr");
}

TEST_F(CommandLine, EmptyObjectIsAFaultThatDescribesTheDensity) {
  ASSERT_EQ(run(small_run()).exit_code, 0);
  expect_fault(run({"export", "run", "--isosurface-threshold", "100000"}), 1, "density");
}

TEST_F(CommandLine, EvalJudgesTheRun) {
  ASSERT_EQ(run(small_run()).exit_code, 0);
  const Outcome outcome = run({"eval", "run", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto result = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(result["views"], 8);
  EXPECT_EQ(result["kind"], "sphere");
  EXPECT_EQ(result["colour"], "red");
  for (const char* field : {"kind_right", "colour_right", "both_right", "kind_right_textureless", "kind_right_albedo", "both_right_albedo"}) {
    EXPECT_GE(result[field], 0) << field;
    EXPECT_LE(result[field], 8) << field;
  }
  EXPECT_GT(result["shape_iou"], 0.5);  // the initial blob is a ball, and so is the reference
  EXPECT_LE(result["shape_iou"], 1.0);
}

TEST_F(CommandLine, PriorInfoAndVerify) {
  EXPECT_EQ(run({"prior", "info", pack_.string()}).exit_code, 0);
  EXPECT_EQ(run({"prior", "verify", pack_.string()}).exit_code, 0);
  expect_fault(run({"prior", "frobnicate", pack_.string()}), 2, "info or verify");
  expect_fault(run({"prior", "info", path("nowhere").string()}), 1, "nowhere");
}

TEST_F(CommandLine, APackOfLatentsRunsFromThePromptToTheMesh) {
  const fs::path pack = testing::write_tiny_prior_pack(path("latent"), {.latent = true, .latent_scale = 0.18215, .latent_shift = 0.0});
  for (const char* vae : {"pack", "taesd"}) {
    const std::vector<std::string> arguments =
        small_run({"--prior", pack.string(), "--force", "--vae", vae, "--guidance-preview", "guidance.latent_warmup_steps=3"});
    Outcome outcome = run(arguments);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("memory: at most"), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find("and its VAE") != std::string::npos, vae == std::string("taesd")) << outcome.err;  // the tiny one has no weights
    EXPECT_EQ(read_image(path("run/guidance_preview.png")).size(1), 4 * 128);
    EXPECT_GT(nlohmann::json::parse(read_text(path("run/run.json")))["peak_memory_bytes"], 0);
    const std::string whole = read_text(path("run/mesh.obj"));
    ASSERT_FALSE(whole.empty());

    std::vector<std::string> stopped = arguments;
    stopped.insert(stopped.end(), {"--stop-at", "5"});
    EXPECT_EQ(run(stopped).exit_code, 130);
    outcome = run({"--resume=run"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(read_text(path("run/mesh.obj")), whole) << vae;
    expect_fault(run({"--resume=run", "--vae", "/nowhere"}), 2, "guidance/vae was");
  }
  expect_fault(run(small_run({"--prior", pack.string(), "--force", "--vae", "/nowhere"})), 2, "/nowhere");
  EXPECT_TRUE(fs::exists(path("run/mesh.obj")));  // nothing is removed for a run that cannot start
}

TEST_F(CommandLine, APackOfSeveralViewsRunsFromThePromptToTheMesh) {
  const fs::path pack = testing::write_tiny_prior_pack(path("views"), {.words = false, .camera_matrix = true, .views = 4});
  expect_fault(run(small_run({"--prior", pack.string()})), 2, "train.batch_size=4");
  EXPECT_FALSE(fs::exists(path("run")));
  expect_fault(run(small_run({"--prior", pack.string(), "train.batch_size=4", "guidance.view_conditioning=words"})), 2, "camera input");
  EXPECT_FALSE(fs::exists(path("run")));  // found out with the prior loaded: what had been begun is taken back
  const Outcome outcome = run(small_run({"--prior", pack.string(), "-c", "mvdream.json", "render.train_resolution=16", "train.batch_size=4",
                                         "background.type=random"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_FALSE(read_text(path("run/mesh.obj")).empty());
}

TEST_F(CommandLine, ARunMayStartFromAShape) {
  write_text(path("plate.obj"), "v -1 0 -2\nv 1 0 -2\nv 1 0 2\nv -1 0 2\nv -1 0.5 -2\nv 1 0.5 -2\nv 1 0.5 2\nv -1 0.5 2\n"
                                "f 1 2 3 4\nf 8 7 6 5\nf 1 5 6 2\nf 2 6 7 3\nf 3 7 8 4\nf 4 8 5 1\n");
  const std::vector<std::string> arguments = small_run({"--init-mesh", "plate.obj", "init_mesh.steps=60", "--iters", "6"});
  const Outcome outcome = run(arguments);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("starting from plate.obj: fitted in"), std::string::npos) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(read_text(path("run/config.json")))["init_mesh"]["file"], "plate.obj");
  const at::Tensor front = read_image(path("run/turntable/opacity_0000.png")), covered = front.select(2, 0) > 0.5;
  EXPECT_GT(covered.any(0).sum().item<std::int64_t>(), 2 * covered.any(1).sum().item<std::int64_t>() - 12);
  const std::string whole = read_text(path("run/mesh.obj"));

  EXPECT_EQ(run(small_run({"--init-mesh", "plate.obj", "init_mesh.steps=60", "--iters", "6", "--force", "--stop-at", "3"})).exit_code, 130);
  fs::remove(path("plate.obj"));  // the checkpoint has it
  ASSERT_EQ(run({"--resume=run"}).exit_code, 0) << read_text(path("err.txt"));
  EXPECT_EQ(read_text(path("run/mesh.obj")), whole);
  EXPECT_EQ(run({"export", "run", "-o", "again.stl"}).exit_code, 0);
  expect_fault(run(small_run({"--resume", "--iters", "6", "init_mesh.steps=60"})), 2, "init_mesh/file was \"plate.obj\", now \"\"");
}

TEST_F(CommandLine, RefineShapesAndColoursTheMeshOfARun) {
  ASSERT_EQ(run(small_run()).exit_code, 0);
  const std::string mesh = read_text(path("run/mesh.obj"));
  const std::vector<std::string> refine = {"refine", "run", "--steps", "3", "refine.fit_steps=5", "refine.render_size=32", "mesh.formats=[\"obj\",\"stl\"]"};
  const Outcome outcome = run(refine);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* name : {"refined.obj", "refined.mtl", "refined.png", "refined.stl", "refined_report.json", "refined_preview.png", "refine/before.png",
                           "refine/after.png", "refine/metrics.jsonl", "refine/config.json"}) {
    EXPECT_TRUE(fs::exists(path("run") / name)) << name;
  }
  const auto report = nlohmann::json::parse(read_text(path("run/refined_report.json")));
  for (const char* side : {"before", "after"}) {
    EXPECT_GT(report["refinement"][side]["silhouette_iou"].get<double>(), 0.5);
    EXPECT_TRUE(report["refinement"][side].contains("kind_probability"));
  }
  EXPECT_TRUE(report["watertight"].get<bool>());
  EXPECT_EQ(read_text(path("run/mesh.obj")), mesh);
  const std::string refined = read_text(path("run/refined.obj"));
  EXPECT_NE(refined, mesh);
  // The same again is done already; with other options it begins anew.
  const std::string metrics = read_text(path("run/refine/metrics.jsonl"));
  ASSERT_EQ(run(refine).exit_code, 0);
  EXPECT_EQ(read_text(path("run/refined.obj")), refined);
  EXPECT_EQ(read_text(path("run/refine/metrics.jsonl")), metrics);
  expect_fault(run({"refine", "run", "optimizer.beta1=0.5"}), 2, "refine takes options of");
  expect_fault(run({"refine", "nowhere"}), 2, "nowhere");

  // At the end of a run it leaves the same.
  ASSERT_EQ(run(small_run({"--force", "--refine", "refine.steps=3", "refine.fit_steps=5", "refine.render_size=32", "mesh.formats=[\"obj\",\"stl\"]"})).exit_code, 0)
      << read_text(path("err.txt"));
  const auto geometry = [](const std::string& obj) { return obj.substr(obj.find("\nv ")); };
  EXPECT_EQ(geometry(read_text(path("run/refined.obj"))), geometry(refined));
  expect_fault(run(small_run({"-o", "flat", "--refine", "mesh.resolution=0"})), 2, "there is no mesh to refine");
}

TEST_F(CommandLine, AShapeThatCannotBeReadIsToldBeforeAnythingIsTouched) {
  ASSERT_EQ(run(small_run()).exit_code, 0);
  write_text(path("empty.obj"), "v 0 0 0\n");
  write_text(path("nan.obj"), "v 0 0 nan\nf 1 1 1\n");
  for (const auto& [file, words] : {std::pair{"nowhere.obj", "nowhere.obj"}, {"pack", "pack"}, {"empty.obj", "no faces"}, {"nan.obj", "line 1"}}) {
    expect_fault(run(small_run({"--force", "--init-mesh", file})), 1, words);
    expect_fault(run(small_run({"-o", "new", "--init-mesh", file})), 1, words);
  }
  EXPECT_TRUE(fs::exists(path("run/mesh.obj")));
  EXPECT_FALSE(fs::exists(path("new")));
  expect_fault(run(small_run({"-o", "new", "init_mesh.up_axis=x"})), 2, "init_mesh.up_axis");
}

TEST_F(CommandLine, ThePriorMayBeOnAnotherDevice) {
  EXPECT_EQ(run(small_run({"--prior-device", "cpu", "--stop-at", "2"})).exit_code, 130);
  expect_fault(run(small_run({"--force", "--prior-device", "tpu"})), 2, "tpu");
}

TEST_F(CommandLine, ABudgetBelowTheWeightsIsToldBeforeAnythingIsWritten) {
  expect_fault(run(small_run({"--memory-budget", "0.000001"})), 2, "the memory budget is too small");
  EXPECT_FALSE(fs::exists(path("run")));
  for (const char* nonsense : {"-1", "abc", "nan"}) EXPECT_EQ(run(small_run({"--memory-budget", nonsense})).exit_code, 2) << nonsense;
}

TEST_F(CommandLine, ARunThatMemoryEndsSaysSoAndLeavesNoRiddle) {
  const Outcome outcome = run(small_run({"--memory-budget", "0.00045", "render.train_resolution=96"}));
  EXPECT_EQ(outcome.exit_code == 1 || outcome.exit_code == 2, true) << outcome.err;
  EXPECT_NE(outcome.err.find("memory"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find("internal error"), std::string::npos) << outcome.err;
  if (fs::exists(path("run/run.json"))) {
    EXPECT_EQ(nlohmann::json::parse(read_text(path("run/run.json")))["status"].get<std::string>().rfind("failed: not enough memory", 0), 0u);
  }
}

TEST_F(CommandLine, ARunInABudgetFinishesAndNotesWhatItTook) {
  const Outcome outcome = run(small_run({"--memory-budget", "0.03", "train.batch_size=4", "render.train_resolution=96", "mesh.texture_size=0"}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto notes = nlohmann::json::parse(read_text(path("run/run.json")));
  EXPECT_LE(notes["peak_tensor_bytes"].get<double>(), 0.03e9);
  EXPECT_GT(notes["peak_tensor_bytes_during"]["field"].get<double>(), 0.0);
}

}  // namespace
}  // namespace dreamfusion
