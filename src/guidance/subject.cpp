#include <algorithm>

#include "dreamfusion/core/text.h"
#include "dreamfusion/guidance/scorer.h"

namespace dreamfusion {
namespace {

using Words = std::vector<std::string>;

/// Words that end a noun phrase: what is left of them does not describe the noun to their right.
const Words kSeparators = {"a",    "an",   "the", "with", "without", "and",  "or", "of", "on",  "in",   "at",   "by",   "from",
                           "to",   "near", "for", "is",   "are",     "has",  "have", "its", "that", "which", "whose", "under", "over",
                           "next", "behind", "beside", "between", "inside", "like", ","};

bool is_separator(const std::string& word) { return std::find(kSeparators.begin(), kSeparators.end(), word) != kSeparators.end(); }

/// The prompt's words with "," for any punctuation that ends a clause ("red-ish mug, side view" → red ish mug , side view).
Words clause_words(const std::string& prompt) {
  Words words;
  for (std::size_t start = 0; start < prompt.size();) {
    const std::size_t end = std::min(prompt.size(), prompt.find_first_of(",.;:!?()\n", start));
    for (std::string& word : split_words(std::string_view(prompt).substr(start, end - start)))
      words.push_back(word == "grey" ? "gray" : std::move(word));
    words.emplace_back(",");
    start = end + 1;
  }
  return words;
}

/// The same word, one of them perhaps in the plural ("mushrooms", "boxes").
bool same_noun(const std::string& a, const std::string& b) {
  return a == b || a == b + "s" || b == a + "s" || a == b + "es" || b == a + "es";
}

/// How many words of the phrase `noun` stand at `place`: all or 0.
std::size_t match_phrase(const Words& words, std::size_t place, const std::string& noun) {
  const Words phrase = split_words(noun);
  if (phrase.empty() || place + phrase.size() > words.size()) return 0;
  for (std::size_t i = 0; i + 1 < phrase.size(); ++i)
    if (words[place + i] != phrase[i]) return 0;
  return same_noun(words[place + phrase.size() - 1], phrase.back()) ? phrase.size() : 0;
}

struct KindMatch {
  std::size_t kind = 0, place = 0, length = 0;
};

/// The longest noun at `place`.
KindMatch match_kind(const Words& words, std::size_t place, const PriorEvaluation& evaluation) {
  KindMatch best{0, place, 0};
  for (std::size_t kind = 0; kind < evaluation.kinds.size(); ++kind)
    for (const std::string& noun : evaluation.kinds[kind].words)
      if (const std::size_t length = match_phrase(words, place, noun); length > best.length) best = {kind, place, length};
  return best;
}

/// The head of the first noun phrase that names a kind: its last noun ("a table lamp on a chair" is a lamp).
std::optional<KindMatch> find_kind(const Words& words, const PriorEvaluation& evaluation) {
  std::optional<KindMatch> head;
  for (std::size_t place = 0; place < words.size();) {
    if (head && is_separator(words[place])) break;
    const KindMatch match = match_kind(words, place, evaluation);
    if (match.length > 0) head = match;
    place += std::max<std::size_t>(match.length, 1);
  }
  return head;
}

std::optional<std::size_t> colour_index(const std::string& word, const PriorEvaluation& evaluation) {
  for (std::size_t i = 0; i < evaluation.colours.size(); ++i)
    if (word == (evaluation.colours[i] == "grey" ? "gray" : evaluation.colours[i])) return i;
  return std::nullopt;
}

/// The nearest colour word before `place` in the same noun phrase.
std::optional<std::size_t> colour_before(const Words& words, std::size_t place, const PriorEvaluation& evaluation) {
  while (place > 0 && !is_separator(words[place - 1]))
    if (const auto colour = colour_index(words[--place], evaluation)) return colour;
  return std::nullopt;
}

/// The colour of a part that the prompt names, wherever it does ("… with a red cap").
std::optional<std::size_t> colour_of_part(const Words& words, const std::string& part, const PriorEvaluation& evaluation) {
  for (std::size_t place = 0; place < words.size(); ++place)
    if (match_phrase(words, place, part) > 0)
      if (const auto colour = colour_before(words, place, evaluation)) return colour;
  return std::nullopt;
}

/// A colour that is said of the noun before it: "a mushroom that is bright red", "a car painted red", "a mug in blue".
std::optional<std::size_t> predicate_colour(const Words& words, std::size_t place, const PriorEvaluation& evaluation) {
  static const Words kCopulas = {"is", "in", "colored", "coloured", "painted"};
  static const Words kFillers = {"that", "which", "is", "in", "bright", "dark", "light", "colored", "coloured", "painted"};
  bool said = false;
  for (; place < words.size(); ++place) {
    if (said)
      if (const auto colour = colour_index(words[place], evaluation)) return colour;
    if (std::find(kFillers.begin(), kFillers.end(), words[place]) == kFillers.end()) break;
    said = said || std::find(kCopulas.begin(), kCopulas.end(), words[place]) != kCopulas.end();
  }
  return std::nullopt;
}

}  // namespace

std::optional<Subject> parse_subject(const std::string& prompt, const PriorEvaluation& evaluation) {
  const Words words = clause_words(prompt);
  const std::optional<KindMatch> match = find_kind(words, evaluation);
  if (!match) return std::nullopt;
  const ReferenceKind& kind = evaluation.kinds[match->kind];
  Subject subject{match->kind, colour_of_part(words, kind.main_part, evaluation), colour_of_part(words, kind.second_part, evaluation)};
  if (!subject.colour) subject.colour = colour_before(words, match->place, evaluation);
  if (!subject.colour) subject.colour = predicate_colour(words, match->place + match->length, evaluation);
  return subject;
}

}  // namespace dreamfusion
