#include "access/key_ring.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <regex>

namespace tessera::access {
namespace {

TEST(KeyRing, FindsTheAccountOfEachKeyAndNothingElse) {
  const std::string a = make_key();
  const std::string b = make_key();
  KeyRing ring;
  EXPECT_EQ(ring.find(a), std::nullopt);
  ring.add(sha256(a), AccountId{1});
  ring.add(sha256(b), AccountId{2});
  EXPECT_EQ(ring.find(a), AccountId{1});
  EXPECT_EQ(ring.find(b), AccountId{2});
  EXPECT_EQ(ring.find(""), std::nullopt);
  EXPECT_EQ(ring.find(a + "x"), std::nullopt);
  EXPECT_EQ(ring.find(a.substr(0, a.size() - 1)), std::nullopt);
}

TEST(KeyRing, KeysHaveTheProductsForm) {
  EXPECT_TRUE(std::regex_match(make_key(), std::regex("sk-tessera-[A-Za-z0-9]{40}")));
  EXPECT_NE(make_key(), make_key());
}

TEST(KeyFile, KeepsTheHashAloneAndPrivately) {
  const std::string folder = testing::TempDir() + "key_file_test";
  std::filesystem::remove_all(folder);
  const std::string path = folder + "/deep/key";
  EXPECT_EQ(*load_key_hash(path), std::nullopt);
  const std::string key = make_key();
  ASSERT_TRUE(save_key_hash(path, sha256(key)));
  EXPECT_EQ(*load_key_hash(path), sha256(key));
  struct stat status{};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(text.find(key.substr(11)), std::string::npos);

  std::ofstream(path) << "not a hash\n";
  const auto corrupt = load_key_hash(path);
  ASSERT_FALSE(corrupt);
  EXPECT_NE(corrupt.error().message.find("--new-key"), std::string::npos);
}

TEST(KeyFile, SaysWhyItCannotBeWritten) {
  const auto saved = save_key_hash("/proc/no/such/key", sha256(std::string_view("x")));
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace tessera::access
