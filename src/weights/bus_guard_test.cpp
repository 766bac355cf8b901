#include "weights/bus_guard.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include "weights/mapped_file.h"

namespace tessera::weights {
namespace {

std::string write_file(const std::string& name, std::size_t bytes) {
  const std::string path = testing::TempDir() + name;
  std::ofstream(path, std::ios::binary) << std::string(bytes, 'x');
  return path;
}

TEST(BusGuard, ATruncatedFileReadsAsZerosAndIsDamaged) {
  const std::string path = write_file("truncated", 3 * 4096 + 100);
  const auto file = MappedFile::open(path);
  const auto other = MappedFile::open(write_file("whole", 5000));
  ASSERT_TRUE(file && other);
  const auto at = [&](std::size_t i) {
    return static_cast<char>(*static_cast<const volatile std::byte*>(file->bytes().data() + i));
  };
  EXPECT_EQ(at(2 * 4096), 'x');
  EXPECT_FALSE(file->damaged());
  ASSERT_EQ(::truncate(path.c_str(), 4096), 0);
  EXPECT_EQ(at(0), 'x');
  EXPECT_FALSE(file->damaged());
  EXPECT_EQ(at(2 * 4096 + 7), '\0');
  EXPECT_EQ(at(3 * 4096 + 99), '\0');
  EXPECT_TRUE(file->damaged());
  EXPECT_FALSE(other->damaged());
}

TEST(BusGuard, SlotsAreUsedAgainAndRunningOutIsNoError) {
  const std::string path = write_file("small", 100);
  for (int round = 0; round < 3; ++round) {
    std::vector<MappedFile> files;
    for (int i = 0; i < 300; ++i) {
      auto file = MappedFile::open(path);
      ASSERT_TRUE(file);
      files.push_back(*std::move(file));
      EXPECT_FALSE(files.back().damaged());
    }
  }
}

TEST(BusGuardDeathTest, AnyOtherBusErrorStillEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto file = MappedFile::open(write_file("guarded", 100));
  ASSERT_TRUE(file);
  EXPECT_DEATH(::raise(SIGBUS), "");
}

}  // namespace
}  // namespace tessera::weights
