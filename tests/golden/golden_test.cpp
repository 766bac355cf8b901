// Whole models against logits that independent implementations computed: the demo model of this
// repository, and the files in ../shared/golden where that folder exists.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "backends.h"
#include "model/logits.h"
#include "weights/gguf.h"

namespace tessera::test_models {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<float> read_floats(const std::string& path) {
  const std::string bytes = read_text(path);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

// How far logits are from the oracle's, as the table in ../shared/golden/README.md counts it.
struct Distance {
  double rms = 0;
  double largest = 0;
  double mean_kl = 0;
  double median_kl = 0;
  double argmax_agreement = 0;  // of all rows
};

std::vector<double> log_softmax(std::span<const float> row) {
  const float largest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float value : row) sum += std::exp(static_cast<double>(value) - largest);
  std::vector<double> result;
  for (const float value : row)
    result.push_back(static_cast<double>(value) - largest - std::log(sum));
  return result;
}

Distance distance(std::span<const float> oracle, std::span<const float> logits,
                  std::size_t vocabulary) {
  Distance result;
  const std::size_t rows = oracle.size() / vocabulary;
  std::vector<double> divergences;
  for (std::size_t i = 0; i < rows; ++i) {
    const auto p_row = oracle.subspan(i * vocabulary, vocabulary);
    const auto q_row = logits.subspan(i * vocabulary, vocabulary);
    const auto p = log_softmax(p_row);
    const auto q = log_softmax(q_row);
    double divergence = 0;
    for (std::size_t j = 0; j < vocabulary; ++j) {
      const double difference = std::fabs(static_cast<double>(p_row[j]) - q_row[j]);
      result.largest = std::max(result.largest, difference);
      result.rms += difference * difference;
      divergence += std::exp(p[j]) * (p[j] - q[j]);
    }
    divergences.push_back(divergence);
    result.mean_kl += divergence / static_cast<double>(rows);
    const auto argmax = [](std::span<const float> row) {
      return std::max_element(row.begin(), row.end()) - row.begin();
    };
    if (argmax(p_row) == argmax(q_row)) result.argmax_agreement += 1;
  }
  result.argmax_agreement /= static_cast<double>(rows);
  result.rms = std::sqrt(result.rms / static_cast<double>(oracle.size()));
  std::sort(divergences.begin(), divergences.end());
  result.median_kl = divergences[divergences.size() / 2];
  return result;
}

struct GoldenCase {
  std::string model;
  std::string tokens;
  std::string logits;
};

class Golden : public ::testing::TestWithParam<BackendKind> {
 protected:
  // False, with the reason, where the case's files are absent.
  bool present(const GoldenCase& files) {
    for (const std::string& path : {files.model, files.tokens, files.logits}) {
      if (!std::filesystem::exists(path)) {
        reason_ = path + " is absent";
        return false;
      }
    }
    return true;
  }

  Distance measure(const GoldenCase& files) {
    auto file = weights::GgufFile::open(files.model);
    CHECK(file.has_value());
    auto table = model::load_tensor_table(*std::move(file));
    CHECK(table.has_value());
    const auto made = GetParam().make(*table);
    CHECK(made.has_value());
    const auto& backend = *made;
    const std::int32_t vocabulary = table->config.vocabulary;
    const auto tokens = model::parse_token_ids(read_text(files.tokens), vocabulary);
    CHECK(tokens.has_value());
    const std::vector<float> oracle = read_floats(files.logits);
    const std::vector<float> logits = logits_of(*backend, *tokens);
    EXPECT_EQ(oracle.size(), logits.size());
    if (oracle.size() != logits.size()) return {.largest = INFINITY};
    const Distance d = distance(oracle, logits, static_cast<std::size_t>(vocabulary));
    std::cout << "  " << backend->name() << " on " << files.model << ": rms " << d.rms
              << ", largest " << d.largest << ", KL mean " << d.mean_kl << " median " << d.median_kl
              << ", argmax agreement " << d.argmax_agreement << "\n";
    return d;
  }

  std::string reason_;
};

TEST_P(Golden, DemoModelAgainstItsTrainer) {
  const GoldenCase files{"models/demo.gguf", "tests/golden/demo_tokens.txt",
                         "tests/golden/demo_logits.f32"};
  if (!present(files)) GTEST_SKIP() << reason_;
  const Distance d = measure(files);
  // The fixture is float32 on exactly dequantised weights, as the backends compute that round no
  // activations.
  if (GetParam().int8) {  // seen: 0.00021 and 0.969; as served 0.00028 and 0.984
    EXPECT_LE(d.median_kl, 0.0004);
    EXPECT_GE(d.argmax_agreement, 0.95);
    return;
  }
  EXPECT_LE(d.largest, 1e-4);
  EXPECT_LE(d.median_kl, 1e-8);
  EXPECT_EQ(d.argmax_agreement, 1.0);
}

// Float activations are held to float32 sums on what the blocks say, also on quantised files. int8
// activations are held to what llama.cpp's, on the same files, are away from the oracle: the median
// over the rows, for one flipped choice of an expert changes a whole row of a random model.
TEST_P(Golden, SharedModelsAgainstAFloat64Oracle) {
  const std::string folder = "../shared/golden/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is absent";
  const struct {
    std::string name;
    double median_kl;  // llama.cpp's; 0 where there is nothing to round
  } cases[] = {{"nano-F32", 0}, {"nano-Q8_0", 0.000177}, {"small-Q4_K_M", 0.000437}};
  for (const auto& [name, median_kl] : cases) {
    const GoldenCase files{folder + name + ".gguf", folder + "tokens.txt",
                           folder + name + ".logits.f32"};
    ASSERT_TRUE(present(files)) << reason_;
    const Distance d = measure(files);
    if (GetParam().int8_kv && median_kl == 0) {  // seen: 2.3e-7
      EXPECT_LE(d.median_kl, 5e-7) << name;
      EXPECT_EQ(d.argmax_agreement, 1.0) << name;
      continue;
    }
    if (GetParam().int8 && median_kl > 0) {
      EXPECT_LE(d.median_kl, median_kl) << name;
      EXPECT_GE(d.argmax_agreement, 0.93) << name;
      continue;
    }
    EXPECT_LE(d.largest, 5e-5) << name;
    EXPECT_LE(d.median_kl, 1e-8) << name;
    EXPECT_EQ(d.argmax_agreement, 1.0) << name;
  }
}

class GoldenKv : public Golden {};

// What rounding keys and values costs, and with 8 bits queries and weights, too;
// docs/performance.md has the figures. The bounds are twice what was seen, or less: half
// precision keeps three bits more than bfloat16. Of the demo model's rms with bfloat16 and q8 most
// is the few rows for which rounding makes another expert the choice.
TEST_P(GoldenKv, SmallerKeysAndValuesCostWhatTheTableSays) {
  struct Bound {
    std::string kind;
    double demo_median_kl, demo_mean_kl, demo_rms, shared_rms;
  };
  const Bound bounds[] = {{"kv_f16", 1.7e-9, 2.8e-8, 6.5e-4, 4e-5},
                          {"kv_bf16", 3.3e-7, 1.2e-5, 6.2e-2, 3.1e-4},
                          {"kv_q8", 1.4e-6, 1e-4, 0.102, 1.7e-3}};
  const auto* const bound = std::find_if(std::begin(bounds), std::end(bounds),
                                         [](const Bound& b) { return b.kind == GetParam().name; });
  ASSERT_NE(bound, std::end(bounds));
  const Distance demo =
      measure({"models/demo.gguf", "tests/golden/demo_tokens.txt", "tests/golden/demo_logits.f32"});
  EXPECT_LE(demo.median_kl, bound->demo_median_kl);
  EXPECT_LE(demo.mean_kl, bound->demo_mean_kl);
  EXPECT_LE(demo.rms, bound->demo_rms);
  EXPECT_EQ(demo.argmax_agreement, 1.0);
  const std::string folder = "../shared/golden/";
  for (const std::string name : {"nano-F32", "nano-Q8_0", "small-Q4_K_M"}) {
    const GoldenCase files{folder + name + ".gguf", folder + "tokens.txt",
                           folder + name + ".logits.f32"};
    if (!present(files)) GTEST_SKIP() << reason_;
    const Distance d = measure(files);
    EXPECT_LE(d.rms, bound->shared_rms) << name;
    EXPECT_EQ(d.argmax_agreement, 1.0) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, GoldenKv, ::testing::ValuesIn(kv_kinds()),
                         [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(Backends, Golden, ::testing::ValuesIn(backend_kinds()),
                         [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(Served, Golden, ::testing::Values(as_served()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tessera::test_models
