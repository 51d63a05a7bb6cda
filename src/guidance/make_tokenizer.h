#pragma once
#include <memory>

#include "dreamfusion/guidance/prior_pack.h"
#include "dreamfusion/text/tokenizer.h"

namespace dreamfusion {

/// The tokenizer that the pack names, with the files that the pack carries. Not for packs with precomputed embeddings.
std::unique_ptr<Tokenizer> make_tokenizer(const PriorPack& pack);

}  // namespace dreamfusion
