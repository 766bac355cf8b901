// What pack() does with sources that misbehave; whole checkpoints are packed in tests/pack.
#include "pack/pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <limits>
#include <string>

namespace tessera::pack {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

// One matrix of ones.
class FakeSource final : public Source {
 public:
  FakeSource() {
    tensors_.push_back({"token_embd.weight", {256, 4096}, "F32", std::nullopt, nullptr});
  }

  const std::string& name() const override { return name_; }
  std::int32_t layers() const override { return 1; }
  std::span<const SourceTensor> tensors() const override { return tensors_; }
  void write_metadata(weights::GgufWriter& writer) const override { writer.add("t.key", "value"); }
  void read_rows(std::size_t, std::uint64_t first, std::uint64_t count, float* out) const override {
    std::fill_n(out, count * 256, ++reads_ > wrong_after ? -1.0F : 1.0F);
    if (first == 0) out[3] = third;
    if (cancel_in_read != nullptr) *cancel_in_read = true;
  }
  bool damaged() const override { return is_damaged; }

  int wrong_after = std::numeric_limits<int>::max();  // calls with other numbers from then on
  float third = 1;
  bool is_damaged = false;
  std::atomic<bool>* cancel_in_read = nullptr;

 private:
  std::string name_ = "fake";
  std::vector<SourceTensor> tensors_;
  mutable std::atomic<int> reads_{0};
};

class Pack : public testing::Test {
 protected:
  Pack() : folder_(testing::TempDir() + "tessera-pack-" + std::to_string(getpid())) {
    fs::create_directory(folder_);
  }
  ~Pack() override { fs::remove_all(folder_); }

  Error refused(const FakeSource& source, const char* mix,
                const std::atomic<bool>* cancelled = nullptr) {
    PackOptions options;
    options.path = folder_ + "/out.gguf";
    options.mix = *find_mix(mix);
    options.threads = 2;
    options.cancelled = cancelled;
    const auto packed = pack(source, options);
    EXPECT_TRUE(fs::is_empty(folder_));
    return packed ? Error{ErrorCode::kInvalidArgument, "(no error)"} : packed.error();
  }

  std::string folder_;
};

TEST_F(Pack, WhatComesBackOtherwiseIsRefused) {
  FakeSource source;
  source.wrong_after = 4;  // all of the first pass: 4096 rows in pieces of 1024
  const Error error = refused(source, "Q8_0");
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("tensor token_embd.weight: came back from the file with an "
                                       "error of 2 of its size; for Q8_0 at most"));
}

TEST_F(Pack, WhatCannotBeServedIsRefused) {
  EXPECT_THAT(refused(FakeSource(), "Q8_0").message, HasSubstr("general.architecture"));
}

TEST_F(Pack, NumbersThatATypeCannotHoldAreRefused) {
  FakeSource source;
  source.third = 65505;
  EXPECT_THAT(refused(source, "Q4_K").message,
              HasSubstr("fake: tensor token_embd.weight: row 0 holds 65505, which Q6_K cannot"));
  EXPECT_THAT(refused(source, "BF16").message, HasSubstr("general.architecture"));  // it can
  source.third = 65504;
  EXPECT_THAT(refused(source, "F16").message, HasSubstr("general.architecture"));
  source.third = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(refused(source, "F32").code, ErrorCode::kNumerical);
}

TEST_F(Pack, ASourceThatIsCutOffIsNoticed) {
  FakeSource source;
  source.is_damaged = true;
  EXPECT_THAT(refused(source, "F16").message, HasSubstr("cut off while it was read"));
}

TEST_F(Pack, CanBeInterrupted) {
  FakeSource source;
  std::atomic<bool> cancelled{false};
  source.cancel_in_read = &cancelled;
  EXPECT_EQ(refused(source, "F16", &cancelled).code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace tessera::pack
