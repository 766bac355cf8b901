// Safetensors: what is in a file, and files that contradict themselves.
#include "weights/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>

namespace tessera::weights {
namespace {

using testing::HasSubstr;

class Safetensors : public testing::Test {
 protected:
  Safetensors()
      : path_(testing::TempDir() + "tessera-" + std::to_string(getpid()) + ".safetensors") {}
  ~Safetensors() override { std::remove(path_.c_str()); }

  Result<SafetensorsFile> open(const std::string& header, const std::string& data,
                               std::uint64_t length) {
    std::string text(reinterpret_cast<const char*>(&length), sizeof length);
    std::ofstream(path_, std::ios::binary) << text + header + data;
    return SafetensorsFile::open(path_);
  }
  std::string error(const std::string& header, const std::string& data = std::string(16, '\0')) {
    const auto file = open(header, data, header.size());
    return file ? "(no error)" : file.error().message;
  }

  std::string path_;
};

TEST_F(Safetensors, ReadsItsTypesAsFloats) {
  const std::string header =
      R"({"__metadata__":{"a":"b"},"f":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
      R"("h":{"dtype":"F16","shape":[1,2],"data_offsets":[4,8]},)"
      R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]},)"
      R"("e":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[12,16]},)"
      R"("i":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})";
  const std::string data = std::string("\x00\x00\xc0\x3f\x00\x3c\x00\xc0\x80\x3f\x00\xc0", 12) +
                           std::string("\x38\xb8\x01\x7e", 4);
  const auto file = open(header, data, header.size());
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tensors().size(), 5U);
  const auto values = [&](std::size_t i) {
    const SafeTensor& tensor = file->tensors()[i];
    std::vector<float> out(tensor.elements());
    read_elements(tensor, 0, out.size(), out.data());
    return out;
  };
  EXPECT_EQ(values(0), std::vector<float>{1.5F});
  EXPECT_EQ(values(1), (std::vector<float>{1, -2}));
  EXPECT_EQ(values(2), (std::vector<float>{1, -2}));
  EXPECT_EQ(values(3), (std::vector<float>{1, -1, 0x1p-9F, 448}));
  EXPECT_EQ(file->tensors()[1].shape, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(file->tensors()[4].type, SafeType::kOther);
  EXPECT_EQ(file->tensors()[4].data, nullptr);
}

TEST(Float8, EveryValueByItsDefinition) {
  for (unsigned bits = 0; bits < 256; ++bits) {
    const int exponent = static_cast<int>(bits >> 3) & 15;
    double value = bits % 8 / 8.0;
    value = exponent == 0 ? value * std::exp2(-6) : (1 + value) * std::exp2(exponent - 7);
    if (bits >= 128) value = -value;
    const float got = f8e4m3_to_float(static_cast<std::uint8_t>(bits));
    if ((bits & 127) == 127) {
      EXPECT_TRUE(std::isnan(got)) << bits;
    } else {
      EXPECT_EQ(got, static_cast<float>(value)) << bits;
    }
  }
}

TEST_F(Safetensors, ContradictionsAreRefused) {
  const auto entry = [&](const std::string& dtype, const std::string& shape,
                         const std::string& offsets) {
    return error(R"({"t":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
                 offsets + "}}");
  };
  EXPECT_EQ(entry("F32", "[4]", "[0,16]"), "(no error)");
  EXPECT_THAT(entry("F32", "[4]", "[0,17]"), HasSubstr("tensor t lies at [0, 17] of 16 bytes"));
  EXPECT_THAT(entry("F32", "[4]", "[1,16]"), HasSubstr("tensor t is F32 [4], but has 15 bytes"));
  EXPECT_THAT(entry("F32", "[4]", "[16,0]"), HasSubstr("lies at [16, 0]"));
  EXPECT_THAT(entry("F32", "[4]", "[0]"), HasSubstr("lies at [0]"));
  EXPECT_THAT(entry("F32", "[-4]", "[0,16]"), HasSubstr("bad number in shape"));
  EXPECT_THAT(entry("F32", "4", "[0,16]"), HasSubstr("no array shape"));
  EXPECT_THAT(entry("F32", "[4611686018427387904,4]", "[0,16]"), HasSubstr("too large"));
  EXPECT_THAT(entry("F32", "[1,1,1,1,1,1,1,1,4]", "[0,16]"), HasSubstr("F32"));
  EXPECT_THAT(error(R"({"t":{}})"), HasSubstr("has no dtype"));
  EXPECT_THAT(error("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(error("{"), HasSubstr("no JSON object"));
}

TEST_F(Safetensors, HeadersThatAreNoneAreRefused) {
  for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{19}, ~std::uint64_t{0}}) {
    const auto file = open("{}", std::string(16, '\0'), length);
    ASSERT_FALSE(file) << length;
    EXPECT_THAT(file.error().message, HasSubstr("no safetensors file"));
  }
  EXPECT_TRUE(open("{}", "", 2));
}

}  // namespace
}  // namespace tessera::weights
