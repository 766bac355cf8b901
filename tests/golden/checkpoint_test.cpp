// Whole checkpoints, good and spoilt: the tensor table's refusals, `inspect`, and the writer of
// `logits`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "backends.h"
#include "model/inspect.h"
#include "model/logits.h"
#include "random_model.h"
#include "weights/gguf_writer.h"

namespace tessera::test_models {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using weights::GgufFile;
using weights::TensorType;

std::string load_error(const RandomModelShape& shape) {
  const auto bytes = make_random_gguf(shape);
  const auto file = GgufFile::from_memory(bytes, "spoilt.gguf");
  CHECK(file.has_value());
  const auto table = model::load_tensor_table(*file);
  return table ? "(no error)" : table.error().message;
}

// ---- the tensor table

TEST(TensorTable, FindsEachRole) {
  const RandomModel model = make_random_model({});
  const model::TensorTable& table = model.table;
  ASSERT_EQ(table.layers.size(), 4u);
  EXPECT_EQ(table.layers[0].kind, model::LayerKind::kGatedDeltaNet);
  EXPECT_EQ(table.layers[3].kind, model::LayerKind::kAttention);
  EXPECT_EQ(table.layers[0].gdn.beta->name, "blk.0.ssm_beta.weight");
  EXPECT_EQ(table.layers[0].gdn.alpha->name, "blk.0.ssm_alpha.weight");
  EXPECT_EQ(table.layers[3].attention.out->name, "blk.3.attn_output.weight");
  EXPECT_EQ(table.layers[3].attention.k_norm->name, "blk.3.attn_k_norm.weight");
  EXPECT_EQ(table.layers[2].moe.up->name, "blk.2.ffn_up_exps.weight");
  EXPECT_EQ(table.layers[2].moe.gate_up, nullptr);
  EXPECT_EQ(table.output->name, "output.weight");
  EXPECT_TRUE(table.unused_tensors.empty());
}

TEST(TensorTable, VariantsOfFiles) {
  const RandomModel merged =
      make_random_model({.mtp_layers = 1, .merged_gate_up = true, .tied_output = true});
  EXPECT_EQ(merged.table.layers[0].moe.gate, nullptr);
  EXPECT_EQ(merged.table.layers[0].moe.gate_up->name, "blk.0.ffn_gate_up_exps.weight");
  EXPECT_EQ(merged.table.output, merged.table.token_embedding);
  EXPECT_EQ(merged.table.layers.size(), 4u);
  EXPECT_EQ(merged.table.config.mtp_layers, 1);
  EXPECT_TRUE(merged.table.unused_tensors.empty());  // an MTP block is known
  EXPECT_EQ(load_error({.shapes = {{"blk.0.ffn_gate_inp_shexp.weight", {64, 1}}}}), "(no error)");
}

TEST(TensorTable, UnusedTensorsAreListed) {
  // Two layers of metadata for a file of three: the third is left over.
  const RandomModel model = make_random_model(
      {.layers = 3, .attention_interval = 2, .metadata = {{"block_count", std::uint32_t{2}}}});
  EXPECT_EQ(model.table.layers.size(), 2u);
  EXPECT_THAT(model.table.unused_tensors, ::testing::Contains("blk.2.attn_norm.weight"));
  EXPECT_THAT(model::describe(model.table), HasSubstr("Not used: blk.2.attn_norm.weight"));
}

TEST(TensorTableRefuses, EachMissingTensorByName) {
  const RandomModel model = make_random_model({});
  for (const weights::TensorView& tensor : model.table.file->tensors()) {
    const std::string name(tensor.name);
    if (name == "output.weight") continue;  // then it is tied
    EXPECT_THAT(load_error({.leave_out = {name}}),
                AllOf(HasSubstr("spoilt.gguf"), HasSubstr(name)));
  }
}

TEST(TensorTableRefuses, EachWrongShapeByNameAndNumbers) {
  const RandomModel model = make_random_model({});
  for (const weights::TensorView& tensor : model.table.file->tensors()) {
    const std::string name(tensor.name);
    std::vector<std::uint64_t> longer = tensor.dims;
    longer.back() += 1;
    if (name != "token_embd.weight") {  // its rows say how large the vocabulary is
      EXPECT_THAT(load_error({.shapes = {{name, longer}}}),
                  AllOf(HasSubstr(name), HasSubstr("not [")));
    }
    if (tensor.dims.size() > 1 && tensor.dims[0] != tensor.dims[1]) {
      std::vector<std::uint64_t> transposed = tensor.dims;
      std::swap(transposed[0], transposed[1]);
      EXPECT_THAT(load_error({.shapes = {{name, transposed}}}), Not(HasSubstr("(no error)")))
          << name;
    }
  }
  EXPECT_THAT(load_error({.shapes = {{"blk.3.attn_k.weight", {64, 31}}}}),
              HasSubstr("blk.3.attn_k.weight is [64, 31], not [64, 32]"));
}

TEST(TensorTableRefuses, ManyMissingTensorsWithTheirNumber) {
  // Metadata that claims more layers than the file has.
  const std::string error = load_error({.metadata = {{"block_count", std::uint32_t{8}}}});
  EXPECT_THAT(error, AllOf(HasSubstr("73 tensors missing"), HasSubstr("blk.4.attn_norm.weight"),
                           HasSubstr("...")));
  EXPECT_LT(error.size(), 1000u);
}

TEST(TensorTableRefuses, AHalfMergedMixture) {
  EXPECT_THAT(load_error({.leave_out = {"blk.1.ffn_up_exps.weight"}}), HasSubstr("ffn_up_exps"));
  EXPECT_THAT(load_error({.merged_gate_up = true, .leave_out = {"blk.1.ffn_gate_up_exps.weight"}}),
              HasSubstr("blk.1.ffn_gate_exps.weight"));
}

// ---- inspect

TEST(Inspect, CountsWhatIsThere) {
  const RandomModel model = make_random_model({});
  const model::Footprint sum = model::footprint(model.table);
  std::uint64_t parameters = 0;
  std::uint64_t bytes = 0;
  std::uint64_t idle = 0;  // the embedding, and six of eight experts
  for (const weights::TensorView& tensor : model.table.file->tensors()) {
    parameters += tensor.elements();
    bytes += tensor.bytes;
    if (tensor.name == "token_embd.weight") idle += tensor.elements();
    if (tensor.name.ends_with("_exps.weight")) idle += tensor.elements() / 8 * 6;
  }
  EXPECT_EQ(sum.parameters, parameters);
  EXPECT_EQ(sum.weight_bytes, bytes);
  EXPECT_EQ(sum.active_parameters, parameters - idle);
  EXPECT_EQ(sum.active_weight_bytes, bytes - 4 * idle);
  EXPECT_EQ(sum.kv_values_per_token, 2u * 1 * 32);
  EXPECT_EQ(sum.kv_rows_per_token, 2u * 1);
  EXPECT_EQ(sum.state_bytes_per_sequence, 3u * 4 * (4 * 32 * 32 + 3 * (2 * 2 * 32 + 4 * 32)));
}

TEST(Inspect, ShowsAModelAsText) {
  const RandomModel model = make_random_model({.mtp_layers = 1});
  const std::string text = model::inspect(model.table.file, 100);
  for (const char* part : {"random model", "general.architecture = \"qwen35moe\"",
                           "qwen35moe.block_count = 5", "blk.0.ssm_conv1d.weight", "[4, 256]",
                           "By type:", "3 Gated DeltaNet, 1 gated attention; 1 MTP, skipped",
                           "2 of 8 used", "one sequence of 100 tokens"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(Inspect, ListsAForeignModelAndSaysWhyNot) {
  weights::GgufWriter writer;
  writer.add("general.architecture", "llama");
  writer.add("general.name", "evil\x1b[2J");
  writer.add_array("tokenizer.ggml.tokens", std::vector<std::string>(1000, "x"));
  writer.add_tensor("output.weight", TensorType::kF32, {2, 3}, std::vector<float>(6));
  auto bytes = writer.to_bytes();
  // The last u32 | u64 of the header's one tensor info are its type and offset: make it IQ3_S.
  const std::size_t info_end = 4 + 4 + [&] {
    const std::string needle = "output.weight";
    const auto* begin = reinterpret_cast<const char*>(bytes.data());
    return std::string_view(begin, bytes.size()).find(needle) + needle.size() + 2 * 8;
  }();
  const std::uint32_t iq3_s = 21;
  std::memcpy(&bytes[info_end - 4], &iq3_s, sizeof iq3_s);
  EXPECT_FALSE(GgufFile::from_memory(bytes, "llama.gguf"));
  const auto file = GgufFile::from_memory(bytes, "llama.gguf", weights::UnknownTypes::kList);
  ASSERT_TRUE(file) << file.error().message;
  const std::string text = model::inspect(*file);
  for (const char* part : {"1000 elements", "output.weight", "IQ3_S (type 21, not read)",
                           "evil\\x1b[2J", "cannot be served", "\"llama\""}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

// A model of ours with a type that is not read: listed, and refused by name.
TEST(Inspect, AKnownModelOfUnknownType) {
  auto bytes = make_random_gguf({});
  const std::string needle = "blk.0.attn_gate.weight";
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t type_at = text.find(needle) + needle.size() + 4 + 2 * 8;
  const std::uint32_t iq3_s = 21;
  std::memcpy(&bytes[type_at], &iq3_s, sizeof iq3_s);
  const auto file = GgufFile::from_memory(bytes, "iq3.gguf", weights::UnknownTypes::kList);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_THAT(model::inspect(*file), HasSubstr("blk.0.attn_gate.weight has type 21 (IQ3_S)"));
}

// ---- logits

TEST(TokenIds, CommasAndWhiteSpace) {
  EXPECT_EQ(*model::parse_token_ids("1,2, 3\n4\t5,\n", 6), (std::vector<TokenId>{1, 2, 3, 4, 5}));
  EXPECT_EQ(*model::parse_token_ids(" 0 ", 1), (std::vector<TokenId>{0}));
}

TEST(TokenIds, EachErrorSaysWhich) {
  const auto error = [](std::string_view text) {
    const auto tokens = model::parse_token_ids(text, 100);
    return tokens ? "(no error)" : tokens.error().message;
  };
  EXPECT_THAT(error(""), HasSubstr("no token ids"));
  EXPECT_THAT(error(" ,\n"), HasSubstr("no token ids"));
  EXPECT_THAT(error("1,x,3"), HasSubstr("token 1 at byte 2"));
  EXPECT_THAT(error("1,2.5"), HasSubstr("token 1"));
  EXPECT_THAT(error("1,100"), HasSubstr("token 1 is 100; ids go from 0 to 99"));
  EXPECT_THAT(error("-1"), HasSubstr("token 0 is -1"));
  EXPECT_THAT(error("99999999999999999999"), HasSubstr("token 0"));
}

class WriteLogits : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }
  std::string path_ = (std::filesystem::temp_directory_path() /
                       ("tessera-logits-" + std::to_string(::getpid()) + ".f32"))
                          .string();
  RandomModel model_ = make_random_model({});
  std::unique_ptr<model::Backend> backend_ = model::make_reference_backend(model_.table);
};

TEST_F(WriteLogits, RowsInAnyChunk) {
  const auto tokens = random_tokens(20, 96, 1);
  const std::vector<float> wanted = logits_of(*backend_, tokens);
  for (const std::int32_t chunk : {0, 1, 7, 20, 100}) {
    const auto written = model::write_logits(*backend_, tokens, chunk, path_);
    ASSERT_TRUE(written) << written.error().message;
    std::ifstream in(path_, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    ASSERT_EQ(bytes.size(), wanted.size() * sizeof(float));
    EXPECT_EQ(std::memcmp(bytes.data(), wanted.data(), bytes.size()), 0) << chunk;
  }
  EXPECT_EQ(backend_->memory().state_bytes, 0u);
}

TEST_F(WriteLogits, ErrorsAreExplained) {
  const auto error = [&](std::size_t count, std::int32_t chunk, const std::string& path) {
    const auto written = model::write_logits(*backend_, random_tokens(count, 96, 1), chunk, path);
    return written ? "(no error)" : written.error().message;
  };
  EXPECT_THAT(error(257, 0, path_), HasSubstr("257 tokens; the context is 256"));
  EXPECT_THAT(error(5, -1, path_), HasSubstr("a chunk of -1"));
  EXPECT_THAT(error(5, 1000, path_), HasSubstr("a chunk of 1000"));
  EXPECT_THAT(error(5, 0, "/nonexistent/out.f32"), HasSubstr("/nonexistent/out.f32"));
  EXPECT_THAT(error(200, 0, "/dev/full"), HasSubstr("cannot write"));
  EXPECT_EQ(backend_->memory().state_bytes, 0u);
}

}  // namespace
}  // namespace tessera::test_models
