#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "access/tier.h"

namespace tessera::access {
namespace {

using testing::HasSubstr;

class TiersFile : public testing::Test {
 protected:
  Result<std::vector<Tier>> load(const std::string& text) {
    std::ofstream(path_) << text;
    return load_tiers(path_);
  }
  // The message without the path in front.
  std::string refused(const std::string& text) {
    const auto tiers = load(text);
    if (tiers) return "accepted";
    EXPECT_EQ(tiers.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(tiers.error().message, testing::StartsWith(path_));
    return tiers.error().message.substr(path_.size());
  }
  void TearDown() override { std::filesystem::remove(path_); }

  const std::string path_ = testing::TempDir() + "tiers_" +
                            testing::UnitTest::GetInstance()->current_test_info()->name() + ".toml";
};

TEST_F(TiersFile, TheProductsTable) {
  const auto tiers = load_tiers("");
  ASSERT_TRUE(tiers);
  ASSERT_EQ(tiers->size(), 5u);
  EXPECT_EQ(find_tier(*tiers, "async")->requests_per_minute, std::nullopt);
  const struct {
    const char* name;
    int sustained, burst, max_context;
  } rows[] = {{"lite", 50, 100, 32'768},
              {"pro", 200, 400, 32'768},
              {"scale", 500, 700, 131'072},
              {"enterprise", 5'000, 5'000, 262'144}};
  for (const auto& row : rows) {
    const Tier* tier = find_tier(*tiers, row.name);
    ASSERT_NE(tier, nullptr) << row.name;
    EXPECT_EQ(tier->requests_per_minute, row.sustained);
    EXPECT_EQ(tier->burst_requests_per_minute, row.burst);
    EXPECT_EQ(tier->burst_minutes_per_hour, 5);
    EXPECT_EQ(tier->context_tokens, 32'768);
    EXPECT_EQ(tier->max_context_tokens, row.max_context);
    EXPECT_EQ(tier->max_choices, 8);
  }
  EXPECT_EQ(find_tier(*tiers, "Lite"), nullptr);
}

TEST_F(TiersFile, CellsChangeAndTheRestStays) {
  const auto tiers = load(
      "# ours\n[tier.pro]\nrequests_per_minute = 300\nmax_choices = 128\n"
      "thinking_tokens_per_day = \"unlimited\"\n[tier.lite]\nthinking_budget_tokens = 0\n");
  ASSERT_TRUE(tiers) << tiers.error().message;
  Tier pro = *find_tier(default_tiers(), "pro");
  pro.requests_per_minute = 300;
  pro.max_choices = 128;
  pro.thinking_tokens_per_day.reset();
  EXPECT_EQ(*find_tier(*tiers, "pro"), pro);
  EXPECT_EQ(find_tier(*tiers, "lite")->thinking_budget_tokens, 0);
  EXPECT_EQ(*find_tier(*tiers, "scale"), *find_tier(default_tiers(), "scale"));
  EXPECT_EQ(tiers->size(), 5u);
  EXPECT_EQ(*load(""), default_tiers());
}

TEST_F(TiersFile, NewTiersNeedARateAndHaveNoBurstUnlessTold) {
  const auto tiers = load(
      "[tier.inner_circle-2]\nrequests_per_minute = 7\n[tier.free]\nrequests_per_minute = "
      "\"unlimited\"\n[tier.async]\nrequests_per_minute = 9\n");
  ASSERT_TRUE(tiers) << tiers.error().message;
  EXPECT_EQ(find_tier(*tiers, "inner_circle-2")->burst_requests_per_minute, 7);
  EXPECT_EQ(find_tier(*tiers, "free")->requests_per_minute, std::nullopt);
  EXPECT_EQ(find_tier(*tiers, "async")->burst_requests_per_minute, 9);
  EXPECT_THAT(refused("[tier.x]\nmax_choices = 1"), HasSubstr("needs requests_per_minute"));
}

TEST_F(TiersFile, RefusesWithThePlace) {
  EXPECT_THAT(refused("[tier.pro]\nrequest_per_minute = 5"),
              HasSubstr("line 2, column 1: unknown key 'request_per_minute'"));
  EXPECT_THAT(refused("x = 1"), HasSubstr("line 1, column 1: unknown key 'x'"));
  EXPECT_THAT(refused("tier = 1"), HasSubstr("must be a table"));
  EXPECT_THAT(refused("[tier]\npro = 1"), HasSubstr("line 2"));
  EXPECT_THAT(refused("[tier.Pro]\nrequests_per_minute = 5"), HasSubstr("a tier's name"));
  EXPECT_THAT(refused("[tier.pro\n"), HasSubstr("line 1"));
  EXPECT_THAT(refused("[tier.pro]\nmax_choices = 1\nmax_choices = 2"), HasSubstr("line 3"));
  EXPECT_THAT(refused("[tier.pro]\nmax_choices = \"unlimited\""),
              HasSubstr("line 2, column 15: max_choices must be an integer from 1 to 128"));
  for (const char* value : {"-1", "0", "2147483648", "nan", "200.0", "true", "\"many\"", "[1]"}) {
    EXPECT_THAT(refused(std::string("[tier.pro]\nrequests_per_minute = ") + value),
                HasSubstr("line 2, column 23: requests_per_minute must be an integer from 1 to"))
        << value;
  }
  EXPECT_THAT(refused("[tier.pro]\nrequests_per_minute = 401"), HasSubstr("give both"));
  EXPECT_EQ(refused("[tier.pro]\nrequests_per_minute = 400"), "accepted");
  EXPECT_THAT(refused("[tier.pro]\ncontext_tokens = 32769"), HasSubstr("max_context_tokens"));
}

TEST_F(TiersFile, LimitsOfNumbers) {
  EXPECT_EQ(refused("[tier.pro]\nmax_choices = 128"), "accepted");
  EXPECT_EQ(refused("[tier.pro]\nweight = 1000"), "accepted");
  EXPECT_THAT(refused("[tier.pro]\nweight = 1001"), HasSubstr("an integer from 1 to 1000"));
  EXPECT_NE(refused("[tier.pro]\nweight = 0"), "accepted");
  EXPECT_NE(refused("[tier.pro]\nmax_choices = 129"), "accepted");
  EXPECT_EQ(refused("[tier.pro]\nburst_minutes_per_hour = 0"), "accepted");
  EXPECT_EQ(refused("[tier.pro]\nburst_minutes_per_hour = 60"), "accepted");
  EXPECT_NE(refused("[tier.pro]\nburst_minutes_per_hour = 61"), "accepted");
  EXPECT_EQ(refused("[tier.pro]\nmax_context_tokens = 16777216"), "accepted");
  EXPECT_NE(refused("[tier.pro]\nmax_context_tokens = 16777217"), "accepted");
  EXPECT_EQ(refused("[tier.pro]\nthinking_tokens_per_day = 9223372036854775807"), "accepted");
}

TEST_F(TiersFile, SaysWhyItCannotBeRead) {
  const auto missing = load_tiers("/nowhere/tiers.toml");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("No such file"));
  EXPECT_FALSE(load_tiers("/"));
  EXPECT_EQ(refused(std::string(1 << 20, '#')), "accepted");
  EXPECT_EQ(load(std::string((1 << 20) + 1, '#')).error().code, ErrorCode::kOutOfRange);
}

}  // namespace
}  // namespace tessera::access
