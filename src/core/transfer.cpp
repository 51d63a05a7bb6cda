#include "dreamfusion/core/transfer.h"

#include <ATen/ATen.h>

#include <vector>

namespace dreamfusion {

at::Tensor send(const at::Tensor& tensor, c10::Device device) {
  if (!tensor.device().is_cpu() || !device.is_cuda()) return tensor.to(device);
  return tensor.contiguous().pin_memory().to(device, /*non_blocking=*/true);
}

void Readings::add(const std::string& name, const at::Tensor& value) {
  const at::Tensor number = value.detach().to(at::kDouble).reshape({});
  const auto [place, is_new] = values_.try_emplace(name, number);
  if (!is_new) place->second = place->second + number.to(place->second.device());
}

void Readings::add(const Readings& others) {
  for (const auto& [name, value] : others.values_) add(name, value);
}

std::map<std::string, double> Readings::read() const {
  std::map<c10::Device, std::vector<std::string>, bool (*)(c10::Device, c10::Device)> names(
      [](c10::Device a, c10::Device b) { return std::pair(a.type(), a.index()) < std::pair(b.type(), b.index()); });
  for (const auto& [name, value] : values_) names[value.device()].push_back(name);
  std::map<std::string, double> numbers;
  for (const auto& [device, there] : names) {
    std::vector<at::Tensor> values;
    for (const std::string& name : there) values.push_back(values_.at(name));
    const at::Tensor read = at::stack(values).cpu();
    for (std::size_t i = 0; i < there.size(); ++i) numbers[there[i]] = read.const_data_ptr<double>()[i];
  }
  return numbers;
}

}  // namespace dreamfusion
