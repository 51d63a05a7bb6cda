#include "embedding_cache.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "dreamfusion/guidance/diffusion_prior.h"
#include "dreamfusion/io/files.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

class EmbeddingCacheTest : public ::testing::Test {
 protected:
  fs::path file() const { return folder_.path() / "embeddings.safetensors"; }
  testing::TemporaryFolder folder_;
};

TEST_F(EmbeddingCacheTest, KeepsByTextAndPack) {
  const at::Tensor a = at::rand({3, 4}), b = at::rand({3, 4});
  {
    EmbeddingCache cache(file(), "pack one");
    EXPECT_FALSE(cache.find("a text").defined());
    cache.store("a text", a);
    cache.store("", b);
  }
  const EmbeddingCache same(file(), "pack one"), other(file(), "pack two");
  EXPECT_TRUE(at::equal(same.find("a text"), a));
  EXPECT_TRUE(at::equal(same.find(""), b));
  EXPECT_FALSE(same.find("a text ").defined());
  EXPECT_FALSE(other.find("a text").defined());
}

TEST_F(EmbeddingCacheTest, ADamagedFileIsComputedAgain) {
  write_file_atomically(file(), "half a fi");
  EmbeddingCache cache(file(), "pack");
  EXPECT_FALSE(cache.find("a text").defined());
  cache.store("a text", at::ones({1, 2}));
  EXPECT_TRUE(EmbeddingCache(file(), "pack").find("a text").defined());
}

TEST_F(EmbeddingCacheTest, WithoutAFileNothingIsWritten) {
  EmbeddingCache cache({}, "pack");
  cache.store("a text", at::ones({1, 2}));
  EXPECT_FALSE(cache.find("a text").defined());
}

// A run that is resumed does not need the text encoder, which may have gigabytes.
TEST_F(EmbeddingCacheTest, TextsThatWereReadOnceNeedNoTextEncoder) {
  const PriorPack pack = PriorPack::open(testing::write_tiny_prior_pack(folder_.path() / "pack"));
  PriorOptions options(at::kCPU);
  options.embedding_cache = file();
  const at::Tensor first = load_prior(pack, options)->encode_text({"a red ball"}).context;
  fs::remove(pack.folder() / "text_encoder.pt");
  const auto resumed = load_prior(pack, options);
  EXPECT_TRUE(at::equal(resumed->encode_text({"a red ball"}).context, first));
  EXPECT_ANY_THROW(resumed->encode_text({"a green ball"}));
}

// Numbers of another size under the right key: somebody's edit, or another program's file.
TEST_F(EmbeddingCacheTest, EmbeddingsOfAnotherSizeAreComputedAgain) {
  const PriorPack pack = PriorPack::open(testing::write_tiny_prior_pack(folder_.path() / "pack"));
  EmbeddingCache(file(), pack.hash()).store("a red ball", at::ones({1, 2}));
  PriorOptions options(at::kCPU);
  options.embedding_cache = file();
  EXPECT_TRUE(at::equal(load_prior(pack, options)->encode_text({"a red ball"}).context,
                        load_prior(pack, at::kCPU)->encode_text({"a red ball"}).context));
}

}  // namespace
}  // namespace dreamfusion
