#include <algorithm>
#include <cmath>

#include "model.h"
#include "unicode.h"

namespace dreamfusion {
namespace {

constexpr double kUnknownPenalty = 10.0;  // sentencepiece: an unknown character costs this more than the rarest piece

/// The most probable split into pieces (Kudo, arXiv:1804.10959), by Viterbi from left to right.
class UnigramModel final : public TextModel {
 public:
  explicit UnigramModel(const JsonNode& node);
  void encode(const std::string& piece, std::vector<std::int64_t>& ids, std::vector<std::string>& unknown) const override;
  std::int64_t largest_id() const override { return static_cast<std::int64_t>(scores_.size()) - 1; }

 private:
  /// The best way to the end of a prefix of the text.
  struct Node {
    std::int64_t id = 0;
    double score = 0.0;
    std::ptrdiff_t begin = -1;  ///< of its last piece; -1: not reached
  };
  std::vector<Node> best_paths(std::string_view text) const;
  void emit(std::string_view piece, std::vector<std::int64_t>& ids, std::vector<std::string>& unknown) const;
  void add(std::string_view piece, std::int64_t id);

  Vocabulary vocabulary_;
  std::vector<double> scores_;
  std::unordered_map<std::uint64_t, std::uint32_t> edges_;  // (node, byte) → node of a trie of all pieces
  std::vector<std::int64_t> piece_at_ = {-1};               // id of the piece that ends at a node
  std::int64_t unknown_id_ = -1;
  double unknown_score_ = 0.0;
  bool byte_fallback_ = false;
};

UnigramModel::UnigramModel(const JsonNode& node) {
  const JsonNode list = node.at("vocab");
  if (!list.present() || !list.json().is_array() || list.json().empty()) {
    list.complain("a list of pieces and their scores", list.present() ? list.json().type_name() : "");
    return;
  }
  double least = 0.0;
  for (const nlohmann::json& item : list.json()) {
    const bool usable = item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_number() && std::isfinite(item[1].get<double>());
    if (!usable) {
      list.complain("pairs of a piece and its score", "number " + std::to_string(scores_.size()) + ": " + item.dump(-1, ' ', true).substr(0, 60));
      return;
    }
    const std::string piece = item[0].get<std::string>();
    const auto id = static_cast<std::int64_t>(scores_.size());
    vocabulary_[piece] = id;
    add(piece, id);
    scores_.push_back(item[1].get<double>());
    least = scores_.size() == 1 ? scores_[0] : std::min(least, scores_.back());
  }
  unknown_id_ = node.at("unk_id").integer({0, static_cast<double>(scores_.size()) - 1});
  unknown_score_ = least - kUnknownPenalty;
  const JsonNode fallback = node.find("byte_fallback");
  byte_fallback_ = fallback.present() && fallback.boolean();
}

void UnigramModel::add(std::string_view piece, std::int64_t id) {
  std::uint32_t node = 0;
  for (const char byte : piece) {
    const std::uint64_t edge = static_cast<std::uint64_t>(node) << 8 | static_cast<unsigned char>(byte);
    const auto [found, is_new] = edges_.emplace(edge, static_cast<std::uint32_t>(piece_at_.size()));
    if (is_new) piece_at_.push_back(-1);
    node = found->second;
  }
  if (node != 0) piece_at_[node] = id;
}

std::vector<UnigramModel::Node> UnigramModel::best_paths(std::string_view text) const {
  std::vector<Node> best(text.size() + 1);
  const auto offer = [&](std::size_t begin, std::size_t end, std::int64_t id, double score) {
    const double candidate = best[begin].score + score;
    if (best[end].begin < 0 || candidate > best[end].score) best[end] = {id, candidate, static_cast<std::ptrdiff_t>(begin)};
  };
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t character = unicode::length_of_first(text.substr(begin));
    bool has_single = false;
    std::uint32_t node = 0;
    for (std::size_t end = begin; end < text.size();) {
      const auto edge = edges_.find(static_cast<std::uint64_t>(node) << 8 | static_cast<unsigned char>(text[end]));
      if (edge == edges_.end()) break;
      node = edge->second;
      ++end;
      if (piece_at_[node] < 0) continue;
      offer(begin, end, piece_at_[node], scores_[static_cast<std::size_t>(piece_at_[node])]);
      has_single |= end - begin == character;
    }
    if (!has_single) offer(begin, begin + character, unknown_id_, unknown_score_);
    begin += character;
  }
  return best;
}

void UnigramModel::emit(std::string_view piece, std::vector<std::int64_t>& ids, std::vector<std::string>& unknown) const {
  const auto found = vocabulary_.find(piece);
  if (found != vocabulary_.end()) {
    ids.push_back(found->second);
    return;
  }
  const std::vector<std::int64_t> bytes = byte_fallback_ ? byte_ids(vocabulary_, piece) : std::vector<std::int64_t>();
  ids.insert(ids.end(), bytes.begin(), bytes.end());
  if (!bytes.empty()) return;
  ids.push_back(unknown_id_);
  unknown.emplace_back(piece);
}

void UnigramModel::encode(const std::string& piece, std::vector<std::int64_t>& ids, std::vector<std::string>& unknown) const {
  const std::vector<Node> best = best_paths(piece);
  struct Span {
    std::size_t begin, end;
  };
  std::vector<Span> pieces;  // from behind; neighbouring unknowns are one
  bool after_unknown = false;
  for (std::size_t end = piece.size(); end > 0;) {
    const auto begin = static_cast<std::size_t>(best[end].begin);
    const bool is_unknown = best[end].id == unknown_id_;
    if (is_unknown && after_unknown) pieces.back().begin = begin;
    else pieces.push_back({begin, end});
    after_unknown = is_unknown;
    end = begin;
  }
  for (auto part = pieces.rbegin(); part != pieces.rend(); ++part)
    emit(std::string_view(piece).substr(part->begin, part->end - part->begin), ids, unknown);
}

}  // namespace

std::unique_ptr<TextModel> read_unigram(const JsonNode& node) { return std::make_unique<UnigramModel>(node); }

}  // namespace dreamfusion
