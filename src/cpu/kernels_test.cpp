// Every kernel against plain double arithmetic, and every instruction set and tile shape against
// the others, by bits.
#include "cpu/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "cpu/test_kernels.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "weights/tensor_type.h"

namespace tessera::cpu {
namespace {

// y[t * rows + r], the tokens given to the kernel `tile_tokens` at a time and the rows `tile_rows`
// at a time.
Floats matmul(const Kernels& k, TensorType type, const std::vector<std::byte>& w, std::size_t rows,
              std::size_t columns, const Floats& x, std::size_t tile_tokens,
              std::size_t tile_rows) {
  const std::size_t tokens = x.size() / columns;
  const std::size_t row_bytes = weights::row_bytes(type, columns);
  Floats y(tokens * rows, NAN), panel(kPanelRows * columns);
  for (std::size_t t = 0; t < tokens; t += tile_tokens) {
    for (std::size_t r = 0; r < rows; r += tile_rows) {
      std::vector<const float*> in;
      std::vector<float*> out;
      for (std::size_t i = t; i < std::min(tokens, t + tile_tokens); ++i) {
        in.push_back(x.data() + i * columns);
        out.push_back(y.data() + i * rows);
      }
      k.matmul(type)({w.data() + r * row_bytes, row_bytes, std::min(tile_rows, rows - r), columns,
                      in.size(), in.data(), out.data(), r, panel.data()});
    }
  }
  return y;
}

TEST(Kernels, DequantiseAsTheReferenceDoes) {
  for (const TypeCase& c : type_cases()) {
    const auto w = random_rows(c.type, 3, c.columns, 11);
    Floats expected(c.columns), got(c.columns);
    for (std::size_t r = 0; r < 3; ++r) {
      const std::byte* row = w.data() + r * weights::row_bytes(c.type, c.columns);
      weights::dequantise_row(c.type, row, expected);
      for (Isa isa : supported_isas()) {
        kernels(isa).dequantise(c.type)(row, c.columns, got.data());
        EXPECT_TRUE(got == expected) << name_of(c) << " " << isa_name(isa);
      }
    }
  }
}

TEST(Kernels, MatmulIsTheDotProduct) {
  for (const TypeCase& c : type_cases()) {
    constexpr std::size_t kRows = 5, kTokens = 7;
    const auto w = random_rows(c.type, kRows, c.columns, 3);
    const Floats x = random_floats(kTokens * c.columns, 4);
    const Floats y =
        matmul(kernels(supported_isas().front()), c.type, w, kRows, c.columns, x, kTokens, kRows);
    Floats row(c.columns);
    for (std::size_t r = 0; r < kRows; ++r) {
      weights::dequantise_row(c.type, w.data() + r * weights::row_bytes(c.type, c.columns), row);
      for (std::size_t t = 0; t < kTokens; ++t) {
        double sum = 0, norm = 0;
        for (std::size_t k = 0; k < c.columns; ++k) {
          const double product = double{row[k]} * x[t * c.columns + k];
          sum += product;
          norm += std::fabs(product);
        }
        // A lane adds columns / 16 terms, the tree four more.
        const double bound = kEpsilon * norm * (static_cast<double>(c.columns) / 16 + 4) / 2;
        EXPECT_NEAR(y[t * kRows + r], sum, bound) << name_of(c);
      }
    }
  }
}

// The definition itself, by std::fma: what all other tests compare among themselves.
TEST(Kernels, MatmulIsSixteenLanesAndAFixedTree) {
  constexpr std::size_t kColumns = 256;
  const auto w = random_rows(TensorType::kQ4_K, 1, kColumns, 5);
  const Floats x = random_floats(kColumns, 6);
  Floats row(kColumns);
  weights::dequantise_row(TensorType::kQ4_K, w.data(), row);
  float lanes[16] = {};
  for (std::size_t k = 0; k < kColumns; ++k) lanes[k % 16] = std::fma(row[k], x[k], lanes[k % 16]);
  for (int width : {8, 4, 2, 1}) {
    for (int l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  }
  for (Isa isa : supported_isas()) {
    const Floats y = matmul(kernels(isa), TensorType::kQ4_K, w, 1, kColumns, x, 1, 1);
    EXPECT_EQ(y[0], lanes[0]) << isa_name(isa);
    EXPECT_EQ(kernels(isa).dot(row.data(), x.data(), kColumns), lanes[0]) << isa_name(isa);
  }
}

TEST(Kernels, MatmulHasTheSameBitsInEveryShapeAndSet) {
  for (const TypeCase& c : type_cases()) {
    constexpr std::size_t kRows = 21, kTokens = 15;
    const auto w = random_rows(c.type, kRows, c.columns, 8);
    const Floats x = random_floats(kTokens * c.columns, 9);
    const auto expected =
        bits(matmul(kernels(supported_isas().front()), c.type, w, kRows, c.columns, x, 1, 1));
    for (Isa isa : supported_isas()) {
      for (std::size_t tokens : {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15}) {
        for (std::size_t rows : {3, 4, 21}) {
          if (isa == Isa::kScalar && (tokens % 3 != 0 || rows == 3)) continue;  // it is slow
          const Floats y = matmul(kernels(isa), c.type, w, kRows, c.columns, x, tokens, rows);
          ASSERT_TRUE(bits(y) == expected)
              << name_of(c) << " " << isa_name(isa) << " tokens " << tokens << " rows " << rows;
        }
      }
    }
  }
}

TEST(Kernels, UnknownTypesHaveNone) {
  const TensorType unknown = static_cast<TensorType>(99);
  EXPECT_FALSE(kernels_support(unknown));
  EXPECT_EQ(kernels(Isa::kScalar).matmul(unknown), nullptr);
  for (TensorType type : weights::tensor_types()) EXPECT_TRUE(kernels_support(type));
}

double largest_ulps(const Floats& got, const Floats& x, double (*f)(double)) {
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = f(x[i]);
    const float rounded = static_cast<float>(expected);
    const double ulp = std::nextafter(std::fabs(rounded), INFINITY) - std::fabs(rounded);
    worst = std::max(worst, std::fabs(got[i] - expected) / ulp);
  }
  return worst;
}

TEST(Kernels, ExpAndSoftplusErrors) {
  Floats x;
  for (int i = -87000; i <= 88700; ++i) x.push_back(static_cast<float>(i) * 1e-3F + 1e-4F);
  for (Isa isa : supported_isas()) {
    const Kernels& k = kernels(isa);
    Floats y(x.size());
    k.exp(x.data(), x.size(), y.data());
    EXPECT_LT(largest_ulps(y, x, [](double v) { return std::exp(v); }), 1.1) << isa_name(isa);
    k.softplus(x.data(), x.size(), y.data());
    EXPECT_LT(
        largest_ulps(
            y, x, [](double v) { return std::fmax(v, 0) + std::log1p(std::exp(-std::fabs(v))); }),
        4.0);
  }
}

TEST(Kernels, ExpAtTheEdges) {
  const float inf = std::numeric_limits<float>::infinity();
  for (Isa isa : supported_isas()) {
    const Floats x = {-inf, -1000, -88, 0, 88.7F, 88.73F, 1000, inf, NAN};
    Floats y(x.size());
    kernels(isa).exp(x.data(), x.size(), y.data());
    EXPECT_EQ(y[0], 0.0F);
    EXPECT_EQ(y[1], 0.0F);
    EXPECT_EQ(y[2], 0.0F);
    EXPECT_EQ(y[3], 1.0F);
    EXPECT_TRUE(std::isfinite(y[4]));
    EXPECT_EQ(y[5], inf);
    EXPECT_EQ(y[6], inf);
    EXPECT_EQ(y[7], inf);
    EXPECT_TRUE(std::isnan(y[8]));
    const Floats large = {-100, 100};
    Floats z(2);
    kernels(isa).softplus(large.data(), 2, z.data());
    EXPECT_THAT(z, testing::ElementsAre(0.0F, 100.0F));
    EXPECT_EQ(kernels(isa).sigmoid(-1000), 0.0F);
    EXPECT_EQ(kernels(isa).sigmoid(1000), 1.0F);
  }
}

// Everything elementwise or per row, run on one table: compared between tables by bits.
Floats run_vector_ops(const Kernels& k, std::size_t n) {
  const Floats x = random_floats(n, 1, 2), w = random_floats(n, 2), z = random_floats(n, 3, 3);
  Floats out;
  const auto keep = [&](const Floats& part) { out.insert(out.end(), part.begin(), part.end()); };
  Floats y = x;
  k.swiglu(x.data(), z.data(), n, y.data());
  keep(y);
  y = x;
  k.softmax(y.data(), n);
  keep(y);
  Floats beta = x, alpha = z;
  k.gdn_gates(beta.data(), alpha.data(), w.data(), x.data(), n);
  keep(beta);
  keep(alpha);
  y = x;
  k.rope(y.data(), w.data(), z.data(), n / 2);
  keep(y);
  if (n % 16 != 0) return out;
  k.rms_norm(x.data(), w.data(), n, 1e-6F, y.data());
  keep(y);
  y = x;
  k.l2_norm(y.data(), n, 1e-6F, 0.125F);
  keep(y);
  y = x;
  k.gated_rms_norm(y.data(), w.data(), z.data(), n, 1e-6F);
  keep(y);
  y = x;
  k.add(y.data(), w.data(), n);
  k.multiply_add(y.data(), 0.3F, z.data(), n);
  keep(y);
  return out;
}

TEST(Kernels, VectorOpsHaveTheSameBitsInEverySet) {
  for (std::size_t n : {1, 7, 16, 30, 64, 96, 2048}) {
    const auto expected = bits(run_vector_ops(kernels(supported_isas().front()), n));
    for (Isa isa : supported_isas()) {
      EXPECT_EQ(bits(run_vector_ops(kernels(isa), n)), expected) << isa_name(isa) << " " << n;
    }
  }
}

TEST(Kernels, NormsAreRight) {
  const Kernels& k = kernels(supported_isas().front());
  constexpr std::size_t kN = 128;
  const Floats x = random_floats(kN, 1, 3), w = random_floats(kN, 2), z = random_floats(kN, 3);
  double squares = 0;
  for (float v : x) squares += double{v} * v;
  const double rms = 1 / std::sqrt(squares / kN + 1e-6), l2 = 1 / std::sqrt(squares + 1e-6);
  Floats norm(kN), unit = x, gated = x;
  k.rms_norm(x.data(), w.data(), kN, 1e-6F, norm.data());
  k.l2_norm(unit.data(), kN, 1e-6F, 0.5F);
  k.gated_rms_norm(gated.data(), w.data(), z.data(), kN, 1e-6F);
  for (std::size_t i = 0; i < kN; ++i) {
    const double silu = z[i] / (1 + std::exp(-double{z[i]}));
    EXPECT_NEAR(norm[i], x[i] * rms * w[i], 8 * kEpsilon * std::fabs(x[i] * rms * w[i]));
    EXPECT_NEAR(unit[i], x[i] * l2 * 0.5, 8 * kEpsilon * std::fabs(x[i] * l2));
    EXPECT_NEAR(gated[i], x[i] * rms * w[i] * silu,
                12 * kEpsilon * std::fabs(x[i] * rms * w[i] * silu));
  }
}

TEST(Kernels, ConvolutionContinuesWhereItStopped) {
  constexpr std::size_t kTokens = 9, kChannels = 48;
  for (std::size_t kernel : {1, 2, 4, 8}) {
    const Floats x = random_floats(kTokens * kChannels, 1),
                 w = random_floats(kernel * kChannels, 2);
    Floats expected(x.size());
    for (std::size_t t = 0; t < kTokens; ++t) {
      for (std::size_t c = 0; c < kChannels; ++c) {
        double sum = 0;
        for (std::size_t j = 0; j < kernel; ++j) {
          if (t + j + 1 >= kernel)
            sum += double{w[j * kChannels + c]} * x[(t + j + 1 - kernel) * kChannels + c];
        }
        expected[t * kChannels + c] = static_cast<float>(sum / (1 + std::exp(-sum)));
      }
    }
    Floats first;
    for (Isa isa : supported_isas()) {
      for (std::size_t chunk : {1, 4, 9}) {
        Floats y = x, window(kernel * kChannels);
        for (std::size_t t = 0; t < kTokens; t += chunk) {
          kernels(isa).conv_scan({std::min(chunk, kTokens - t), kChannels, kernel,
                                  y.data() + t * kChannels, kChannels, w.data(), kChannels,
                                  window.data(), kChannels});
        }
        for (std::size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], expected[i], 3e-6);
        if (first.empty()) first = y;
        EXPECT_EQ(bits(y), bits(first)) << isa_name(isa) << " " << chunk;
      }
    }
  }
}

TEST(Kernels, DeltaRuleFollowsItsDefinition) {
  constexpr std::size_t kTokens = 6;
  for (std::size_t n : {16, 48, 128, 240}) {
    const Floats qkv = random_floats(kTokens * 3 * n, 1, 0.2F),
                 start = random_floats(n * n, 2, 0.1F);
    const Floats beta = {0.1F, 0.9F, 0.5F, 0.3F, 0.7F, 0.2F},
                 decay = {1.0F, 0.9F, 0.1F, 0.5F, 0.99F, 0.8F};
    std::vector<double> s(start.begin(), start.end()), expected(kTokens * n);
    for (std::size_t t = 0; t < kTokens; ++t) {
      const float *q = &qkv[t * 3 * n], *k = q + n, *v = k + n;
      for (double& x : s) x *= decay[t];
      for (std::size_t c = 0; c < n; ++c) {
        double u = 0;
        for (std::size_t r = 0; r < n; ++r) u += k[r] * s[r * n + c];
        for (std::size_t r = 0; r < n; ++r) s[r * n + c] += k[r] * beta[t] * (v[c] - u);
        for (std::size_t r = 0; r < n; ++r) expected[t * n + c] += q[r] * s[r * n + c];
      }
    }
    Floats first;
    for (Isa isa : supported_isas()) {
      for (std::size_t chunk : {1, 4, 6}) {
        Floats state = start, out(kTokens * n);
        for (std::size_t t = 0; t < kTokens; t += chunk) {
          const float* row = &qkv[t * 3 * n];
          kernels(isa).gdn_scan({std::min(chunk, kTokens - t), n, row, row + n, row + 2 * n, 3 * n,
                                 &beta[t], &decay[t], 1, state.data(), &out[t * n], n});
        }
        for (std::size_t i = 0; i < out.size(); ++i)
          EXPECT_NEAR(out[i], expected[i], 2e-6 * std::sqrt(double(n)));
        out.insert(out.end(), state.begin(), state.end());
        if (first.empty()) first = out;
        EXPECT_EQ(bits(out), bits(first)) << isa_name(isa) << " " << chunk;
      }
    }
  }
}

TEST(Isa, ChoosesTheBestAndRefusesWhatIsMissing) {
  const std::vector<Isa> isas = supported_isas();
  EXPECT_EQ(choose_isa(Isa::kAuto).value(), isas.front());
  EXPECT_EQ(isas.back(), Isa::kScalar);
  for (Isa isa : {Isa::kAvx512, Isa::kAvx2, Isa::kScalar}) {
    const Result<Isa> chosen = choose_isa(isa);
    const bool supported = std::find(isas.begin(), isas.end(), isa) != isas.end();
    ASSERT_EQ(chosen.has_value(), supported);
    if (!supported) EXPECT_THAT(chosen.error().message, testing::HasSubstr(isa_name(isa)));
  }
}

}  // namespace
}  // namespace tessera::cpu
