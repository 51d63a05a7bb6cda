#include "make_tokenizer.h"

namespace dreamfusion {

std::unique_ptr<Tokenizer> make_tokenizer(const PriorPack& pack) {
  const PriorManifest& manifest = pack.manifest();
  const TokenFrame frame{manifest.context_length, manifest.pad_id};
  if (manifest.tokenizer == "words") return load_words_tokenizer(pack.folder() / manifest.vocabulary_file, frame, manifest.unknown_id);
  return load_tokenizer_json(pack.folder() / manifest.tokenizer_file, frame);
}

}  // namespace dreamfusion
