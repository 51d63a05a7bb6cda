#include <algorithm>
#include <optional>
#include <queue>

#include "model.h"
#include "unicode.h"

namespace dreamfusion {
namespace {

/// Two neighbours become one token: the earlier in the list, the sooner.
struct Merge {
  std::int64_t rank = 0, id = 0;
};

/// A token of a word that is being merged; a list through indices.
struct Symbol {
  std::int64_t id = 0;
  int previous = -1, next = -1;
  bool alive = true;
};

/// Byte-pair encoding (Sennrich et al., arXiv:1508.07909).
class BytePairModel final : public TextModel {
 public:
  explicit BytePairModel(const JsonNode& node);
  void encode(const std::string& piece, std::vector<std::int64_t>& ids, std::vector<std::string>& unknown) const override;
  std::int64_t largest_id() const override {
    std::int64_t largest = -1;
    for (const auto& [token, id] : vocabulary_) largest = std::max(largest, id);
    return largest;
  }

 private:
  void read_merges(const JsonNode& node);
  std::vector<Symbol> symbols_of(const std::string& piece, std::vector<std::string>& unknown) const;
  void merge(std::vector<Symbol>& symbols) const;
  const Merge* find_merge(std::int64_t left, std::int64_t right) const {
    const auto found = merges_.find(static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint64_t>(right));
    return found == merges_.end() ? nullptr : &found->second;
  }

  Vocabulary vocabulary_;
  std::unordered_map<std::uint64_t, Merge> merges_;
  std::string prefix_, suffix_;
  std::optional<std::int64_t> unknown_id_;
  bool fuse_unknown_ = false, byte_fallback_ = false, ignore_merges_ = false;
};

std::string optional_text(const JsonNode& node) {
  if (!node.present() || node.json().is_null()) return {};
  if (!node.json().is_string()) node.complain("text or null");
  return node.json().is_string() ? node.json().get<std::string>() : std::string();
}

bool optional_boolean(const JsonNode& node) { return node.present() && !node.json().is_null() && node.boolean(); }

BytePairModel::BytePairModel(const JsonNode& node) : vocabulary_(read_vocabulary(node.at("vocab"))) {
  prefix_ = optional_text(node.find("continuing_subword_prefix"));
  suffix_ = optional_text(node.find("end_of_word_suffix"));
  fuse_unknown_ = optional_boolean(node.find("fuse_unk"));
  byte_fallback_ = optional_boolean(node.find("byte_fallback"));
  ignore_merges_ = optional_boolean(node.find("ignore_merges"));
  if (const JsonNode dropout = node.find("dropout"); dropout.present() && !dropout.json().is_null() && dropout.json() != 0.0)
    dropout.complain("null: with dropout the same text would have other ids each time");
  const JsonNode unknown = node.find("unk_token");
  if (const std::string token = optional_text(unknown); !token.empty()) {
    const auto found = vocabulary_.find(token);
    if (found != vocabulary_.end()) unknown_id_ = found->second;
    else if (!vocabulary_.empty()) unknown.complain("a token of the vocabulary");
  }
  if (!vocabulary_.empty()) read_merges(node.at("merges"));
}

void BytePairModel::read_merges(const JsonNode& node) {
  if (!node.present() || !node.json().is_array()) {
    node.complain("a list of pairs");
    return;
  }
  for (const nlohmann::json& item : node.json()) {
    std::string left, right;
    if (item.is_string()) {  // "a b", as in merges.txt
      const std::string pair = item.get<std::string>();
      const std::size_t space = pair.find(' ');
      left = pair.substr(0, space);
      if (space != std::string::npos) right = pair.substr(space + 1);
    } else if (item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_string()) {
      left = item[0].get<std::string>();
      right = item[1].get<std::string>();
    }
    const auto a = vocabulary_.find(left), b = vocabulary_.find(right);
    const std::string whole = left + (right.starts_with(prefix_) ? right.substr(prefix_.size()) : right);
    const auto merged = vocabulary_.find(whole);
    if (right.empty() || a == vocabulary_.end() || b == vocabulary_.end() || merged == vocabulary_.end()) {
      node.complain("pairs of tokens whose join is a token too", "number " + std::to_string(merges_.size()) + ": " + item.dump(-1, ' ', true).substr(0, 60));
      return;
    }
    const auto key = static_cast<std::uint64_t>(a->second) << 32 | static_cast<std::uint64_t>(b->second);
    merges_[key] = {static_cast<std::int64_t>(&item - &node.json().front()), merged->second};
  }
}

std::vector<Symbol> BytePairModel::symbols_of(const std::string& piece, std::vector<std::string>& unknown) const {
  std::vector<Symbol> symbols;
  const auto add = [&](std::int64_t id) {
    const int index = static_cast<int>(symbols.size());
    if (index > 0) symbols.back().next = index;
    symbols.push_back({id, index - 1, -1, true});
  };
  bool after_unknown = false;
  std::size_t at = 0;
  unicode::for_each(piece, [&](char32_t, std::string_view character) {
    std::string token(character);
    if (at > 0) token = prefix_ + token;
    at += character.size();
    if (at == piece.size()) token += suffix_;
    const auto found = vocabulary_.find(token);
    const bool is_known = found != vocabulary_.end();
    const std::vector<std::int64_t> bytes = !is_known && byte_fallback_ ? byte_ids(vocabulary_, token) : std::vector<std::int64_t>();
    if (is_known) add(found->second);
    for (const std::int64_t id : bytes) add(id);
    const bool is_unknown = !is_known && bytes.empty();
    if (is_unknown) {
      unknown.emplace_back(character);
      if (unknown_id_ && !(fuse_unknown_ && after_unknown)) add(*unknown_id_);
    }
    after_unknown = is_unknown;
  });
  return symbols;
}

/// The best merge anywhere, leftmost among equals, until there is none: a queue instead of a search a step.
void BytePairModel::merge(std::vector<Symbol>& symbols) const {
  struct Candidate {
    std::int64_t rank;
    int left;
    std::int64_t id;
    bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
  };
  std::priority_queue<Candidate> queue;
  const auto offer = [&](int left) {
    if (left < 0 || symbols[static_cast<std::size_t>(left)].next < 0) return;
    const Symbol& symbol = symbols[static_cast<std::size_t>(left)];
    if (const Merge* found = find_merge(symbol.id, symbols[static_cast<std::size_t>(symbol.next)].id)) queue.push({found->rank, left, found->id});
  };
  for (int i = 0; i + 1 < static_cast<int>(symbols.size()); ++i) offer(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[static_cast<std::size_t>(best.left)];
    if (!left.alive || left.next < 0) continue;
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    const Merge* current = find_merge(left.id, right.id);
    if (current == nullptr || current->id != best.id) continue;  // one of the two has changed meanwhile
    right.alive = false;
    left.id = best.id;
    left.next = right.next;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = best.left;
    offer(left.previous);
    offer(best.left);
  }
}

void BytePairModel::encode(const std::string& piece, std::vector<std::int64_t>& ids, std::vector<std::string>& unknown) const {
  if (ignore_merges_) {
    const auto whole = vocabulary_.find(piece);
    if (whole != vocabulary_.end()) {
      ids.push_back(whole->second);
      return;
    }
  }
  std::vector<Symbol> symbols = symbols_of(piece, unknown);
  merge(symbols);
  for (const Symbol& symbol : symbols)
    if (symbol.alive) ids.push_back(symbol.id);
}

}  // namespace

std::unique_ptr<TextModel> read_bpe(const JsonNode& node) { return std::make_unique<BytePairModel>(node); }

}  // namespace dreamfusion
