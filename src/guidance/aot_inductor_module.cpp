#include "aot_inductor_module.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/version.h>

#include <fstream>
#include <set>
#include <sstream>
#include <unordered_map>

#include "dreamfusion/core/text.h"

namespace dreamfusion {
namespace {

const char* const kCompileAgain =
    "run scripts/export_prior.py --compile on this machine, or leave guidance.prior_backend=aot_inductor out";

/// The first two numbers of a version: what is compiled against one release may not fit the next.
std::string release(const std::string& version) { return version.substr(0, version.find('.', version.find('.') + 1)); }

/// What of `wanted` this machine's processor does not have (names as in /proc/cpuinfo).
std::vector<std::string> missing_cpu_features(const std::vector<std::string>& wanted) {
  std::set<std::string> has;
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("flags")) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    for (std::string word; words >> word;) has.insert(word);
    break;
  }
  std::vector<std::string> missing;
  for (const std::string& feature : wanted)
    if (!has.contains(feature)) missing.push_back(feature);
  return missing;
}

}  // namespace

struct AotInductorModule::Impl {
  // On a GPU without asking whether the last run is over: that question cannot be recorded (guidance.cuda_graphs).
  Impl(const std::string& file, c10::DeviceIndex device) : loader(file, "model", /*run_single_threaded=*/device >= 0, /*num_runners=*/1, device) {}
  torch::inductor::AOTIModelPackageLoader loader;
};

// The loader itself checks neither processor nor version, and a network that runs before it has weights ends the process.
AotInductorModule::AotInductorModule(const std::filesystem::path& file, const CompiledNetwork& compiled, NamedTensors weights, c10::Device device)
    : Network(file), weights_(std::move(weights)), max_batch_(compiled.max_batch) {
  const auto refuse = [&](const std::string& found) {
    throw UserError({.what = "the compiled network does not fit", .where = file_, .found = found, .fix = kCompileAgain});
  };
  if (release(compiled.torch) != release(TORCH_VERSION))
    refuse("it was compiled with PyTorch " + compiled.torch + ", this program has LibTorch " + TORCH_VERSION);
  if (const auto missing = missing_cpu_features(compiled.cpu_features); !missing.empty())
    refuse("it was compiled for a processor with " + join(missing) + ", which this one does not have");
  std::unordered_map<std::string, at::Tensor> wanted;
  std::vector<std::string> unknown;
  try {
    impl_ = std::make_unique<Impl>(file_, device.is_cpu() ? c10::DeviceIndex(-1) : device.index());
    for (const std::string& name : impl_->loader.get_constant_fqns()) {
      const auto found = weights_.find(name);
      if (found == weights_.end()) unknown.push_back(name);
      else wanted[name] = found->second = found->second.detach().contiguous();
    }
    if (unknown.empty()) impl_->loader.load_constants(wanted, /*use_inactive=*/false, /*check_full_update=*/true, /*user_managed=*/true);
  } catch (const std::exception& error) {
    throw fault("a compiled network of the prior pack cannot be loaded", explain(error));
  }
  if (!unknown.empty()) refuse("it wants weights that the pack's network does not have: " + join(unknown).substr(0, 200));
}

AotInductorModule::~AotInductorModule() = default;

std::vector<at::Tensor> AotInductorModule::run(const std::vector<at::Tensor>& inputs) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> plain;  // it reads the memory of its inputs as if they were contiguous
  for (const at::Tensor& input : inputs) plain.push_back(input.contiguous());
  try {
    return impl_->loader.run(plain);
  } catch (const std::exception& error) {
    refuse_run(error);
  }
}

std::size_t AotInductorModule::weight_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [name, values] : weights_) bytes += values.nbytes();
  return bytes;
}

}  // namespace dreamfusion
