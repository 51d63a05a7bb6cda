#include <gtest/gtest.h>

#include "dreamfusion/guidance/scorer.h"

namespace dreamfusion {
namespace {

PriorEvaluation domain() {
  PriorEvaluation evaluation;
  evaluation.colours = {"red", "green", "blue", "white", "gray", "orange"};
  evaluation.kinds = {{"mushroom", {"mushroom", "toadstool"}, "cap", "stem", false},
                      {"rocket", {"rocket", "spaceship"}, "body", "fins", false},
                      {"table", {"table", "desk"}, "top", "legs", false},
                      {"lamp", {"lamp"}, "shade", "base", false},
                      {"house", {"house", "cottage"}, "walls", "roof", true},
                      {"tree house", {"tree house"}, "walls", "roof", true},
                      {"tree", {"tree", "fir"}, "leaves", "trunk", false},
                      {"cube", {"cube", "box"}, "", "", false}};
  return evaluation;
}

struct Case {
  const char* prompt;
  const char* kind;  ///< "" = no subject
  const char* colour;
  const char* second;
};

std::string name(const std::optional<std::size_t>& colour, const PriorEvaluation& evaluation) {
  return colour ? evaluation.colours[*colour] : "";
}

class ParseSubject : public ::testing::TestWithParam<Case> {};

TEST_P(ParseSubject, FindsKindAndColours) {
  const PriorEvaluation evaluation = domain();
  const std::optional<Subject> subject = parse_subject(GetParam().prompt, evaluation);
  EXPECT_EQ(subject ? evaluation.kinds[subject->kind].name : "", GetParam().kind) << GetParam().prompt;
  if (!subject) return;
  EXPECT_EQ(name(subject->colour, evaluation), GetParam().colour) << GetParam().prompt;
  EXPECT_EQ(name(subject->second_colour, evaluation), GetParam().second) << GetParam().prompt;
}

INSTANTIATE_TEST_SUITE_P(
    Prompts, ParseSubject,
    ::testing::Values(
        Case{"a red mushroom", "mushroom", "red", ""}, Case{"A RED Mushroom!", "mushroom", "red", ""},
        Case{"mushroom", "mushroom", "", ""}, Case{"a toadstool, front view", "mushroom", "", ""},
        Case{"a mushroom with a red cap", "mushroom", "red", ""}, Case{"a mushroom with a blue stem", "mushroom", "", "blue"},
        Case{"a mushroom with a red cap and a white stem", "mushroom", "red", "white"},
        Case{"a white rocket with blue fins", "rocket", "white", "blue"}, Case{"a white rocket with a blue fin", "rocket", "white", "blue"},
        Case{"a photo of a small gray house, side view", "house", "gray", ""}, Case{"a grey cottage", "house", "gray", ""},
        Case{"two red mushrooms", "mushroom", "red", ""}, Case{"blue boxes", "cube", "blue", ""},
        Case{"a red shiny mushroom", "mushroom", "red", ""}, Case{"a green white mushroom", "mushroom", "white", ""},
        Case{"a red colored mushroom", "mushroom", "red", ""}, Case{"a red-orange mushroom", "mushroom", "orange", ""},
        Case{"a red tree house", "tree house", "red", ""}, Case{"a tree with orange leaves", "tree", "orange", ""},
        Case{"a red table lamp", "lamp", "red", ""}, Case{"a lamp on a red table", "lamp", "", ""},
        Case{"a red lamp and a blue table", "lamp", "red", ""}, Case{"a table with a red mushroom on it", "table", "", ""},
        Case{"a blue table with a red top", "table", "red", ""}, Case{"red, a mushroom", "mushroom", "", ""},
        Case{"a mushroom that is bright red", "mushroom", "red", ""}, Case{"a rocket painted green", "rocket", "green", ""},
        Case{"a mushroom in a red house", "mushroom", "", ""}, Case{"a red dragon", "", "", ""}, Case{"", "", "", ""},
        Case{"a redhouse", "", "", ""}, Case{"a toad stool", "", "", ""}));

}  // namespace
}  // namespace dreamfusion
