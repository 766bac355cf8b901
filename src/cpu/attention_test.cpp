// Attention over stored keys and values: against plain double arithmetic, every instruction set and
// grouping of tokens against the others, by bits.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "cpu/kernels.h"
#include "cpu/test_kernels.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "weights/tensor_type.h"

namespace tessera::cpu {
namespace {

constexpr float kScale = 0.25F;

struct AttentionCase {
  std::size_t group, head_dim, keys;
};

enum class Side { kKeys, kValues };

// [n, head_dim] as the cache stores it: areas, one behind the other.
std::vector<std::byte> stored(const Kernels& kernel, KvType type, Side side, const Floats& x,
                              std::size_t head_dim) {
  const std::size_t rows = x.size() / head_dim, area = kv_area_bytes(type, head_dim);
  std::vector<std::byte> out((rows + kKeysPerBlock - 1) / kKeysPerBlock * area, std::byte{0xFF});
  const KvKernels& kv = kernel.of(type);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto begin = x.begin() + static_cast<std::ptrdiff_t>(i * head_dim);
    Floats row(begin, begin + static_cast<std::ptrdiff_t>(head_dim));
    (side == Side::kKeys ? kv.store_key : kv.store_value)(row.data(), head_dim, i % kKeysPerBlock,
                                                          out.data() + i / kKeysPerBlock * area);
  }
  return out;
}

// What lies in an area, in the coordinates that it was given in.
Floats read_back(KvType type, Side side, const std::vector<std::byte>& areas, std::size_t rows,
                 std::size_t n) {
  Floats x(rows * n);
  for (std::size_t i = 0; i < rows; ++i) {
    const std::byte* area = areas.data() + i / kKeysPerBlock * kv_area_bytes(type, n);
    const std::size_t slot = i % kKeysPerBlock;
    const std::span<float> row(x.data() + i * n, n);
    if (type != KvType::kInt8) {
      const TensorType types[] = {TensorType::kF32, TensorType::kF16, TensorType::kBF16};
      const TensorType as = types[static_cast<std::size_t>(type)];
      weights::dequantise_row(as, area + slot * weights::row_bytes(as, n), row);
      continue;
    }
    float scale = 0;
    std::memcpy(&scale, area + kKeysPerBlock * n + 4 * slot, sizeof scale);
    for (std::size_t j = 0; j < n; ++j) {
      const std::size_t at = side == Side::kKeys ? j / 4 * 4 * kKeysPerBlock + 4 * slot + j % 4
                                                 : slot / 4 * 4 * n + 4 * j + slot % 4;
      row[j] = scale * static_cast<float>(static_cast<std::int8_t>(area[at]));
    }
    kernels(Isa::kScalar).of(type).finish_values(row.data(), n);
  }
  return x;
}

struct Stored {
  std::vector<std::byte> keys, values;
};

// [tokens, group, head_dim]: token t sees c.keys - (tokens - 1 - t) keys; span by span, tokens
// together, as the backend does it.
Floats attend(const Kernels& kernel, KvType type, const AttentionCase& c, Floats q,
              const Stored& kept, const Floats& gate) {
  const KvKernels& kv = kernel.of(type);
  const std::size_t width = c.group * c.head_dim, tokens = q.size() / width;
  const std::size_t area = kv_area_bytes(type, c.head_dim);
  std::vector<const std::byte*> ks, vs;
  for (std::size_t i = 0; i * kKeysPerBlock < c.keys; ++i) {
    ks.push_back(kept.keys.data() + i * area);
    vs.push_back(kept.values.data() + i * area);
  }
  for (std::size_t i = 0; i < q.size() && kv.prepare_query != nullptr; i += c.head_dim)
    kv.prepare_query(q.data() + i, c.head_dim);
  const std::size_t floats = c.group * attention_partial_floats(c.head_dim);
  Floats total(tokens * floats), partial(tokens * floats), out(q.size());
  for (std::size_t first = 0; first < c.keys; first += kKeysPerSpan) {
    std::vector<const float*> queries;
    std::vector<std::size_t> seen;
    std::vector<float*> to;
    for (std::size_t t = 0; t < tokens; ++t) {
      const std::size_t keys = c.keys - (tokens - 1 - t);
      if (keys <= first) continue;
      queries.push_back(q.data() + t * width);
      seen.push_back(std::min(kKeysPerSpan, keys - first));
      to.push_back((first == 0 ? total : partial).data() + t * floats);
    }
    const std::size_t block = first / kKeysPerBlock;
    kv.attend_span({queries.size(), queries.data(), c.group, c.head_dim, kScale, ks.data() + block,
                    vs.data() + block, seen.data(), to.data()});
    for (std::size_t t = tokens - queries.size(); first > 0 && t < tokens; ++t) {
      kernel.attend_merge(total.data() + t * floats, partial.data() + t * floats, c.group,
                          c.head_dim);
    }
  }
  for (std::size_t t = 0; t < tokens; ++t) {
    for (std::size_t h = 0; h < c.group && kv.finish_values != nullptr; ++h) {
      kv.finish_values(
          total.data() + t * floats + h * attention_partial_floats(c.head_dim) + kLanes,
          c.head_dim);
    }
    kernel.attend_finish(total.data() + t * floats, c.group, c.head_dim, gate.data(), c.head_dim,
                         out.data() + t * width, c.head_dim);
  }
  return out;
}

// Softmax attention in double on the numbers that k and v hold. Queries and weights of 8 bits may
// be off by `slack` of the values' rms.
void expect_attention(const AttentionCase& c, const Floats& q, const Floats& k, const Floats& v,
                      const Floats& gate, const Floats& got, double slack) {
  for (std::size_t h = 0; h < c.group; ++h) {
    std::vector<double> p(c.keys);
    double most = -INFINITY, sum = 0;
    for (std::size_t key = 0; key < c.keys; ++key) {
      for (std::size_t i = 0; i < c.head_dim; ++i) {
        p[key] += double{q[h * c.head_dim + i]} * k[key * c.head_dim + i] * kScale;
      }
      most = std::max(most, p[key]);
    }
    for (double& x : p) sum += x = std::exp(x - most);
    double off = 0, size = 0;
    for (std::size_t i = 0; i < c.head_dim; ++i) {
      double expected = 0, norm = 0;
      for (std::size_t key = 0; key < c.keys; ++key) {
        expected += p[key] / sum * v[key * c.head_dim + i];
        norm += p[key] / sum * std::fabs(v[key * c.head_dim + i]);
      }
      const double g = 1 / (1 + std::exp(-double{gate[h * c.head_dim + i]}));
      const double error = got[h * c.head_dim + i] - expected * g;
      if (slack == 0) EXPECT_LE(std::fabs(error), 60 * kEpsilon * norm);
      off += error * error;
      size += norm * norm;
    }
    EXPECT_LE(std::sqrt(off), std::sqrt(size) * (slack + 60 * kEpsilon))
        << "head " << h << " of " << c.head_dim << ", " << c.keys << " keys";
  }
}

TEST(Attention, IsSoftmaxAttention) {
  for (const AttentionCase& c : {AttentionCase{1, 16, 1},
                                 {2, 64, 64},
                                 {8, 256, 65},
                                 {5, 80, 700},
                                 {13, 32, 130},
                                 {8, 128, 1100}}) {
    // Scores of a few units, as in a trained model.
    const float size = 2.0F / std::sqrt(kScale) / std::sqrt(std::sqrt(float(c.head_dim)));
    const Floats q = random_floats(c.group * c.head_dim, 1, size / 2),
                 gate = random_floats(c.group * c.head_dim, 4),
                 k = random_floats(c.keys * c.head_dim, 2, size / 2),
                 v = random_floats(c.keys * c.head_dim, 3);
    for (const KvType type : kKvTypes) {
      const Kernels& best = kernels(supported_isas().front());
      // Beyond what the query may see all bits are set.
      const Stored kept{stored(best, type, Side::kKeys, k, c.head_dim),
                        stored(best, type, Side::kValues, v, c.head_dim)};
      const Floats got = attend(best, type, c, q, kept, gate);
      expect_attention(c, q, read_back(type, Side::kKeys, kept.keys, c.keys, c.head_dim),
                       read_back(type, Side::kValues, kept.values, c.keys, c.head_dim), gate, got,
                       type == KvType::kInt8 ? 0.02 : 0);
      for (Isa isa : supported_isas()) {
        const Kernels& kernel = kernels(isa);
        EXPECT_EQ(stored(kernel, type, Side::kKeys, k, c.head_dim), kept.keys);
        EXPECT_EQ(stored(kernel, type, Side::kValues, v, c.head_dim), kept.values);
        EXPECT_EQ(bits(attend(kernel, type, c, q, kept, gate)), bits(got))
            << isa_name(isa) << " " << kv_type_name(type);
      }
    }
  }
}

// A token's bits are the same alone and beside others, whatever each of them sees.
TEST(Attention, OfTokensTogetherIsThatOfEach) {
  constexpr std::size_t kTokens = 7, kGroup = 3, kHeadDim = 96, kKeys = 515;
  const AttentionCase all{kGroup, kHeadDim, kKeys};
  const Floats q = random_floats(kTokens * kGroup * kHeadDim, 1),
               gate = random_floats(kGroup * kHeadDim, 4);
  for (const KvType type : kKvTypes) {
    for (Isa isa : supported_isas()) {
      const Kernels& kernel = kernels(isa);
      const Stored kept{
          stored(kernel, type, Side::kKeys, random_floats(kKeys * kHeadDim, 2), kHeadDim),
          stored(kernel, type, Side::kValues, random_floats(kKeys * kHeadDim, 3), kHeadDim)};
      const Floats together = attend(kernel, type, all, q, kept, gate);
      Floats each;
      for (std::size_t t = 0; t < kTokens; ++t) {
        const auto begin = q.begin() + static_cast<std::ptrdiff_t>(t * kGroup * kHeadDim);
        const Floats one(begin, begin + kGroup * kHeadDim);
        const AttentionCase c{kGroup, kHeadDim, kKeys - (kTokens - 1 - t)};
        const Floats out = attend(kernel, type, c, one, kept, gate);
        each.insert(each.end(), out.begin(), out.end());
      }
      EXPECT_EQ(bits(together), bits(each)) << isa_name(isa) << " " << kv_type_name(type);
    }
  }
}

TEST(Attention, FloatsAreStoredAsTheReferenceQuantises) {
  Floats x = random_floats(4096, 5);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= std::ldexp(1.0F, int(i / 32 % 40) - 26);
  std::fill(x.begin(), x.begin() + 32, 0.0F);
  x[40] = -0.0F;
  x[64] = 65504.0F;
  const std::pair<KvType, TensorType> types[] = {{KvType::kF32, TensorType::kF32},
                                                 {KvType::kF16, TensorType::kF16},
                                                 {KvType::kBF16, TensorType::kBF16}};
  for (const auto& [type, as] : types) {
    std::vector<std::byte> expected(weights::row_bytes(as, x.size()));
    weights::quantise_row(as, x, expected.data());
    for (Isa isa : supported_isas()) {
      EXPECT_EQ(stored(kernels(isa), type, Side::kKeys, x, x.size() / kKeysPerBlock), expected)
          << isa_name(isa) << " " << kv_type_name(type);
    }
  }
}

// One scale for a row is enough even where one number is far larger than the rest: rotated, it is
// everywhere. Half a step of the rotated row's largest / 127 is what each of its numbers may lose.
TEST(Attention, EightBitsSufficeForARowWithOneLargeNumber) {
  for (const std::size_t n : {16, 48, 64, 256}) {
    Floats x = random_floats(70 * n, 6);
    for (std::size_t i = 0; i < 70; ++i) x[i * n + i * 7 % n] = 30;
    for (const Side side : {Side::kKeys, Side::kValues}) {
      for (Isa isa : supported_isas()) {
        const auto areas = stored(kernels(isa), KvType::kInt8, side, x, n);
        const Floats back = read_back(KvType::kInt8, side, areas, 70, n);
        double off = 0;
        for (std::size_t i = 0; i < x.size(); ++i)
          off += std::pow(double{x[i]} - double{back[i]}, 2) / static_cast<double>(x.size());
        // Not rotated, it would be 30 / 127 / sqrt(12) = 0.068.
        EXPECT_LE(std::sqrt(off), n == 256 ? 0.015 : 0.03) << n << " " << isa_name(isa);
        EXPECT_GT(off, 0);
      }
    }
  }
}

// Large numbers stay finite where the type's range ends; what is not finite is not hidden.
TEST(Attention, NumbersOutOfRange) {
  constexpr std::size_t kN = 32;
  for (Isa isa : supported_isas()) {
    for (const KvType type : kKvTypes) {
      for (const Side side : {Side::kKeys, Side::kValues}) {
        Floats x(3 * kN, 1.0F);
        x[0] = 1e9F;
        x[1] = -65520.0F;
        x[40] = NAN;
        x[70] = -INFINITY;
        const Floats back = read_back(type, side, stored(kernels(isa), type, side, x, kN), 3, kN);
        EXPECT_TRUE(std::isfinite(back[0]) && std::isfinite(back[1])) << isa_name(isa);
        if (type == KvType::kF16) EXPECT_EQ(back[0], 65504.0F);
        if (type == KvType::kF16) EXPECT_EQ(back[1], -65504.0F);
        EXPECT_TRUE(std::isnan(back[40])) << isa_name(isa) << " " << kv_type_name(type);
        EXPECT_FALSE(std::isfinite(back[70])) << isa_name(isa) << " " << kv_type_name(type);
      }
    }
  }
}

// Whoever sees a key or value that is not finite has no finite answer; whoever does not see it has
// the answer that he would have without it.
TEST(Attention, TroubleReachesThoseWhoSeeIt) {
  constexpr std::size_t kN = 32, kKeys = 70;
  const Floats k = random_floats(kKeys * kN, 2), v = random_floats(kKeys * kN, 3),
               q = random_floats(kN, 1), gate = random_floats(kN, 4);
  for (const KvType type : kKvTypes) {
    for (Isa isa : supported_isas()) {
      const Kernels& kernel = kernels(isa);
      for (const Side side : {Side::kKeys, Side::kValues}) {
        for (const std::size_t bad : {3, 68}) {
          Floats spoilt = side == Side::kKeys ? k : v;
          std::fill_n(spoilt.begin() + static_cast<std::ptrdiff_t>(bad * kN), kN, NAN);
          const Stored kept{
              stored(kernel, type, Side::kKeys, side == Side::kKeys ? spoilt : k, kN),
              stored(kernel, type, Side::kValues, side == Side::kKeys ? v : spoilt, kN)};
          const Stored sound{stored(kernel, type, Side::kKeys, k, kN),
                             stored(kernel, type, Side::kValues, v, kN)};
          const auto out = [&](const Stored& from, std::size_t keys) {
            return attend(kernel, type, {1, kN, keys}, q, from, gate);
          };
          for (const float y : out(kept, bad + 1)) EXPECT_TRUE(std::isnan(y)) << isa_name(isa);
          for (const float y : out(kept, kKeys)) EXPECT_TRUE(std::isnan(y)) << isa_name(isa);
          EXPECT_EQ(bits(out(kept, bad)), bits(out(sound, bad))) << kv_type_name(type);
        }
        Floats none = q;
        none[5] = NAN;
        const Stored sound{stored(kernel, type, Side::kKeys, k, kN),
                           stored(kernel, type, Side::kValues, v, kN)};
        for (const float y : attend(kernel, type, {1, kN, kKeys}, none, sound, gate))
          EXPECT_TRUE(std::isnan(y)) << isa_name(isa) << " " << kv_type_name(type);
      }
    }
  }
}

// Zeros have no scale to divide by.
TEST(Attention, KeysAndValuesOfZeros) {
  constexpr std::size_t kN = 64, kKeys = 66;
  const Floats zeros(kKeys * kN), q = random_floats(kN, 1), gate = random_floats(kN, 4);
  for (const KvType type : kKvTypes) {
    for (Isa isa : supported_isas()) {
      const Kernels& kernel = kernels(isa);
      const Stored kept{stored(kernel, type, Side::kKeys, zeros, kN),
                        stored(kernel, type, Side::kValues, zeros, kN)};
      for (const float y : attend(kernel, type, {1, kN, kKeys}, q, kept, gate)) EXPECT_EQ(y, 0);
    }
  }
}

}  // namespace
}  // namespace tessera::cpu
