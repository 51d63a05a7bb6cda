#include "dreamfusion/core/named_tensors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "dreamfusion/core/error.h"

namespace dreamfusion {
namespace {

NamedTensors example(double value) {
  return {{"grid.table", at::full({4, 2}, value).set_requires_grad(true)}, {"network.bias1", at::full({3}, value)}};
}

std::string refusal(NamedTensors target, const NamedTensors& source) {
  try {
    copy_state(target, source, "run/checkpoint");
  } catch (const UserError& error) {
    for (const auto& [name, tensor] : target) EXPECT_EQ(tensor.min().item<double>(), 1.0) << "changed: " << name;
    return error.what();
  }
  return "";
}

TEST(CopyState, CopiesInPlaceIntoLeaves) {
  NamedTensors target = example(1);
  const at::Tensor table = target.at("grid.table");
  copy_state(target, example(2), "test");
  EXPECT_EQ(table.min().item<double>(), 2.0);
  EXPECT_TRUE(table.is_leaf() && table.requires_grad());
}

TEST(CopyState, NamesTheEntryThatDoesNotFitAndChangesNothing) {
  NamedTensors missing = example(2), unknown = example(2), reshaped = example(2);
  missing.erase("network.bias1");
  unknown["network.bias9"] = at::zeros({1});
  reshaped["network.bias1"] = at::zeros({5});
  for (const auto& [source, words] : {std::pair{missing, "\"network.bias1\" is missing"}, {unknown, "\"network.bias9\" is unknown"},
                                      {reshaped, "\"network.bias1\" has shape [5], expected [3]"}}) {
    const std::string message = refusal(example(1), source);
    EXPECT_NE(message.find(words), std::string::npos) << message;
    EXPECT_NE(message.find("run/checkpoint"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace dreamfusion
