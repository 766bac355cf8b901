// What every backend promises of sequences (model/backend.h): the same bits however a prompt is cut
// and whoever shares the batch, copies with the same past, memory back when freed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "backends.h"
#include "random_model.h"

namespace tessera::test_models {
namespace {

using Case = std::pair<BackendKind, NamedShape>;

// Every shape that its kernels take on the backend that users get; plain and odd ones on the
// others, which give the same bits (parity_test.cpp) or do not care about the weights' type (the
// reference).
std::vector<Case> cases() {
  std::vector<Case> result;
  const std::string best = "cpu_" + std::string(cpu::isa_name(cpu::supported_isas().front()));
  for (const BackendKind& kind : all_kinds()) {
    for (const NamedShape& shape : test_shapes()) {
      const bool reference = kind.name == "reference";
      if (shape.name == "Odder" ? !reference : shape.is_one_type && kind.name != best) continue;
      if (shape.name == "Odd" && kind.name == "kv_Q8_0") continue;  // no multiple of 32
      result.emplace_back(kind, shape);
    }
  }
  return result;
}

class Sequences : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    model_ = make_random_model(GetParam().second.shape);
    auto made = GetParam().first.make(model_.table);
    ASSERT_TRUE(made) << made.error().message;
    backend_ = *std::move(made);
  }
  std::vector<TokenId> tokens(std::size_t count, std::uint32_t seed) const {
    return random_tokens(count, model_.table.config.vocabulary, seed);
  }
  SequenceId create(std::int32_t max_tokens) {
    const auto sequence = backend_->create_sequence(max_tokens);
    CHECK(sequence.has_value());
    return *sequence;
  }

  RandomModel model_;
  std::unique_ptr<model::Backend> backend_;
};

TEST_P(Sequences, AnyCutGivesTheSameBits) {
  const auto prompt = tokens(70, 11);
  const std::vector<float> whole = logits_of(*backend_, prompt);
  for (const std::size_t chunk : {1, 7, 64}) {
    EXPECT_EQ(logits_of(*backend_, prompt, chunk), whole) << "in chunks of " << chunk;
  }
}

TEST_P(Sequences, ACopyHasTheSamePast) {
  const auto prompt = tokens(20, 1);
  const auto one = tokens(9, 2);
  const auto other = tokens(9, 3);
  std::vector<float> wanted_one;
  std::vector<float> wanted_other;
  std::vector<float> ignored;
  for (auto [continuation, wanted] :
       {std::pair(&one, &wanted_one), std::pair(&other, &wanted_other)}) {
    const SequenceId sequence = create(40);
    append_tokens(*backend_, sequence, 0, prompt, 20, ignored);
    append_tokens(*backend_, sequence, 20, *continuation, 9, *wanted);
    backend_->free_sequence(sequence);
  }
  const SequenceId source = create(40);
  append_tokens(*backend_, source, 0, prompt, 20, ignored);
  const auto copy = backend_->copy_sequence(source);
  ASSERT_TRUE(copy) << copy.error().message;
  std::vector<float> from_source;
  std::vector<float> from_copy;
  // Turn by turn: neither may see the other's tokens.
  for (std::size_t i = 0; i < 9; ++i) {
    const std::int32_t position = 20 + static_cast<std::int32_t>(i);
    append_tokens(*backend_, source, position, std::span(one).subspan(i, 1), 1, from_source);
    append_tokens(*backend_, *copy, position, std::span(other).subspan(i, 1), 1, from_copy);
    if (i == 4) {  // a copy outlives its source's growth, and may be copied itself
      const auto second = backend_->copy_sequence(*copy);
      ASSERT_TRUE(second);
      backend_->free_sequence(*second);
    }
  }
  EXPECT_EQ(from_source, wanted_one);
  EXPECT_EQ(from_copy, wanted_other);
  backend_->free_sequence(source);
  backend_->free_sequence(*copy);
}

TEST_P(Sequences, NeighboursInABatchChangeNothing) {
  const auto a = tokens(30, 21);
  const auto b = tokens(33, 22);
  const std::vector<float> wanted_a = logits_of(*backend_, a);
  const std::vector<float> wanted_b = logits_of(*backend_, b);
  const SequenceId first = create(30);
  const SequenceId second = create(33);
  std::vector<float> got_a;
  std::vector<float> got_b;
  // a goes token by token while b takes uneven chunks; then the order in the batch turns.
  std::size_t at_b = 0;
  for (std::size_t at_a = 0; at_a < a.size(); ++at_a) {
    std::vector<model::BatchItem> items = {{first, static_cast<std::int32_t>(at_a),
                                            std::span(a).subspan(at_a, 1),
                                            model::LogitsWanted::kAll}};
    const std::size_t count = std::min<std::size_t>(at_a % 4, b.size() - at_b);
    if (count > 0) {
      items.push_back({second, static_cast<std::int32_t>(at_b), std::span(b).subspan(at_b, count),
                       model::LogitsWanted::kAll});
      if (at_a % 2 == 1) std::swap(items[0], items[1]);
    }
    const auto view = backend_->forward({items});
    ASSERT_TRUE(view) << view.error().message;
    backend_->synchronise();
    std::int64_t row = 0;
    for (const model::BatchItem& item : items) {
      std::vector<float>& out = item.sequence == first ? got_a : got_b;
      for (std::size_t i = 0; i < item.tokens.size(); ++i, ++row) {
        out.insert(out.end(), view->row(row).begin(), view->row(row).end());
      }
    }
    EXPECT_EQ(view->rows, row);
    at_b += count;
  }
  append_tokens(*backend_, second, static_cast<std::int32_t>(at_b), std::span(b).subspan(at_b),
                b.size(), got_b);
  EXPECT_EQ(got_a, wanted_a);
  EXPECT_EQ(got_b, wanted_b);
  backend_->free_sequence(first);
  backend_->free_sequence(second);
}

TEST_P(Sequences, LogitsAreThoseWanted) {
  const auto prompt = tokens(12, 4);
  const std::vector<float> all = logits_of(*backend_, prompt);
  const std::size_t vocabulary = all.size() / prompt.size();
  const SequenceId quiet = create(12);
  const SequenceId last = create(12);
  const model::BatchItem items[] = {{quiet, 0, prompt, model::LogitsWanted::kNone},
                                    {last, 0, prompt, model::LogitsWanted::kLast}};
  const auto view = backend_->forward({items});
  ASSERT_TRUE(view) << view.error().message;
  backend_->synchronise();
  ASSERT_EQ(view->rows, 1);
  EXPECT_EQ(view->vocabulary, static_cast<std::int64_t>(vocabulary));
  EXPECT_EQ(std::vector<float>(view->row(0).begin(), view->row(0).end()),
            std::vector<float>(all.end() - static_cast<std::ptrdiff_t>(vocabulary), all.end()));
  backend_->free_sequence(quiet);
  backend_->free_sequence(last);
}

TEST_P(Sequences, FreedMemoryComesBack) {
  const std::size_t before = backend_->memory().state_bytes;
  const auto prompt = tokens(40, 9);
  for (int round = 0; round < 3; ++round) {
    std::vector<float> ignored;
    const SequenceId sequence = create(64);
    append_tokens(*backend_, sequence, 0, prompt, 64, ignored);
    const auto copy = backend_->copy_sequence(sequence);
    ASSERT_TRUE(copy);
    EXPECT_GT(backend_->memory().state_bytes, before);
    backend_->free_sequence(*copy);
    backend_->free_sequence(sequence);
    EXPECT_EQ(backend_->memory().state_bytes, before);
  }
}

TEST_P(Sequences, LimitsAreKept) {
  const model::BackendLimits limits = backend_->limits();
  EXPECT_EQ(limits.vocabulary, model_.table.config.vocabulary);
  EXPECT_TRUE(limits.batch_invariant);
  EXPECT_GT(limits.kv_bytes_per_token, 0u);
  EXPECT_GT(limits.state_bytes_per_sequence, 0u);
  EXPECT_FALSE(backend_->create_sequence(limits.max_context + 1));
  std::vector<SequenceId> sequences;
  for (std::int32_t i = 0; i < limits.max_sequences; ++i) {
    const auto sequence = backend_->create_sequence(1);
    ASSERT_TRUE(sequence) << i << " of " << limits.max_sequences;
    sequences.push_back(*sequence);
  }
  const auto refused = backend_->create_sequence(1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
  EXPECT_FALSE(backend_->copy_sequence(sequences[0]));
  for (const SequenceId sequence : sequences) backend_->free_sequence(sequence);
  EXPECT_TRUE(backend_->create_sequence(1));
}

INSTANTIATE_TEST_SUITE_P(Backends, Sequences, ::testing::ValuesIn(cases()), [](const auto& test) {
  return test.param.first.name + "_" + test.param.second.name;
});

class BrokenWeights : public ::testing::TestWithParam<BackendKind> {};

// Catalogue rows M16 and E01: a NaN in the weights that one sequence touches comes out in that
// sequence's rows alone; never as a crash, and nothing of it is left behind.
TEST_P(BrokenWeights, ANanStaysInItsSequence) {
  std::vector<std::byte> bytes = make_random_gguf({});
  const auto file = weights::GgufFile::from_memory(bytes, "poisoned");
  ASSERT_TRUE(file);
  constexpr TokenId kPoisoned = 7;
  const weights::TensorView& embedding = *(*file)->find_tensor("token_embd.weight");
  const std::size_t value_at = static_cast<std::size_t>(embedding.data - bytes.data()) +
                               (kPoisoned * embedding.row_elements() + 3) * sizeof(float);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(&bytes[value_at], &nan, sizeof nan);
  const auto table = model::load_tensor_table(*file);
  ASSERT_TRUE(table);
  const auto made = GetParam().make(*table);
  ASSERT_TRUE(made);
  model::Backend& backend = **made;

  const std::vector<TokenId> clean = {1, 2, 3, 4, 5, 6};
  const std::vector<TokenId> poison = {1, kPoisoned, 2};
  const std::vector<float> wanted = logits_of(backend, clean);
  const auto good = backend.create_sequence(32);
  const auto bad = backend.create_sequence(32);
  const auto bystander = backend.create_sequence(32);
  ASSERT_TRUE(good && bad && bystander);
  std::vector<float> outside;
  append_tokens(backend, *bystander, 0, std::span(clean).first(3), 3, outside);
  const model::BatchItem items[] = {{*bad, 0, poison, model::LogitsWanted::kAll},
                                    {*good, 0, clean, model::LogitsWanted::kAll}};
  const auto view = backend.forward({items});
  backend.synchronise();
  ASSERT_TRUE(view);
  EXPECT_FALSE(std::isnan(view->row(0)[0]));
  EXPECT_TRUE(std::isnan(view->row(1)[0]));
  EXPECT_TRUE(std::isnan(view->row(2)[0]));
  EXPECT_EQ(std::vector<float>(view->row(3).data(), view->row(3).data() + wanted.size()), wanted);
  backend.free_sequence(*bad);
  backend.free_sequence(*good);
  append_tokens(backend, *bystander, 3, std::span(clean).subspan(3), 3, outside);
  EXPECT_EQ(outside, wanted);
  EXPECT_EQ(logits_of(backend, clean), wanted);  // memory of the poisoned sequence, used again
}

INSTANTIATE_TEST_SUITE_P(Backends, BrokenWeights, ::testing::ValuesIn(all_kinds()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tessera::test_models
