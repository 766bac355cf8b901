// The GGUF reader: round trips through the writer, every refusal by name, and a small file
// truncated and flipped at each byte of its header.
#include "weights/gguf.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "weights/gguf_writer.h"
#include "weights/mapped_file.h"
#include "weights/printable.h"

namespace tessera::weights {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

// A new folder for a test's files, gone with it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tessera-gguf-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

void write_file(const std::string& path, const Bytes& bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
}

Result<std::shared_ptr<const GgufFile>> parse(const Bytes& bytes,
                                              UnknownTypes unknown_types = UnknownTypes::kRefuse) {
  return GgufFile::from_memory(bytes, "test.gguf", unknown_types);
}

std::string error_of(const Bytes& bytes) {
  const auto file = parse(bytes);
  return file ? "(no error)" : file.error().message;
}

// Every metadata type, a tokenizer-like array and a tensor of every type.
GgufWriter make_small() {
  GgufWriter writer;
  writer.add("general.architecture", "qwen35moe");
  writer.add("t.u8", std::uint8_t{200});
  writer.add("t.i8", std::int8_t{-100});
  writer.add("t.u16", std::uint16_t{60000});
  writer.add("t.i16", std::int16_t{-30000});
  writer.add("t.u32", std::uint32_t{4'000'000'000});
  writer.add("t.i32", std::int32_t{-2'000'000'000});
  writer.add("t.u64", std::uint64_t{1} << 62);
  writer.add("t.i64", std::numeric_limits<std::int64_t>::min());
  writer.add("t.f32", 0.5F);
  writer.add("t.f64", 1e300);
  writer.add("t.bool", true);
  writer.add_array("tokenizer.ggml.tokens",
                   std::vector<std::string>{"a", "", "\xc4\xa0w", "<|im_end|>"});
  writer.add_array("tokenizer.ggml.token_type", std::vector<std::int32_t>{1, 1, 1, 3});
  writer.add_array("tokenizer.ggml.scores", std::vector<float>{0.0F, -1.5F});
  writer.add_array("t.flags", std::vector<bool>{true, false, true});
  for (const TensorType type : tensor_types()) {
    const std::uint64_t row = info(type).block_elements * 2;
    Bytes data(3 * row_bytes(type, row), static_cast<std::byte>(0x11));
    writer.add_tensor("tensor." + std::string(info(type).name), type, {row, 3}, std::move(data));
  }
  writer.add_tensor("four", TensorType::kF32, {1, 2, 1, 2}, std::vector<float>{1, 2, 3, 4});
  return writer;
}

// Headers that the writer would never write.
class RawGguf {
 public:
  RawGguf(std::uint64_t tensors, std::uint64_t entries, std::uint32_t version = 3) {
    text("GGUF").u32(version).u64(tensors).u64(entries);
  }
  RawGguf& u8(std::uint8_t value) { return put(value); }
  RawGguf& u32(std::uint32_t value) { return put(value); }
  RawGguf& u64(std::uint64_t value) { return put(value); }
  RawGguf& text(std::string_view value) {
    for (const char c : value) bytes_.push_back(static_cast<std::byte>(c));
    return *this;
  }
  RawGguf& string(std::string_view value) { return u64(value.size()).text(value); }
  RawGguf& entry_u32(std::string_view key, std::uint32_t value) {
    return string(key).u32(4).u32(value);
  }
  RawGguf& tensor(std::string_view name, std::vector<std::uint64_t> dims, std::uint32_t type,
                  std::uint64_t offset) {
    string(name).u32(static_cast<std::uint32_t>(dims.size()));
    for (const std::uint64_t dim : dims) u64(dim);
    return u32(type).u64(offset);
  }
  // Padding to 32, then data.
  Bytes with_data(std::size_t data_bytes) const {
    Bytes out = bytes_;
    out.resize((out.size() + 31) / 32 * 32 + data_bytes);
    return out;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  template <class T>
  RawGguf& put(T value) {
    const auto* begin = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), begin, begin + sizeof value);
    return *this;
  }
  Bytes bytes_;
};

// ---- what is read

TEST(Gguf, RoundTripOfMetadata) {
  const Bytes bytes = make_small().to_bytes();
  const auto file = parse(bytes);
  ASSERT_TRUE(file) << file.error().message;
  const GgufFile& gguf = **file;
  EXPECT_EQ(*gguf.string("general.architecture"), "qwen35moe");
  EXPECT_EQ(*gguf.integer("t.u8"), 200);
  EXPECT_EQ(*gguf.integer("t.i8"), -100);
  EXPECT_EQ(*gguf.integer("t.u16"), 60000);
  EXPECT_EQ(*gguf.integer("t.i16"), -30000);
  EXPECT_EQ(*gguf.integer("t.u32"), 4'000'000'000);
  EXPECT_EQ(*gguf.integer("t.i32"), -2'000'000'000);
  EXPECT_EQ(*gguf.integer("t.u64"), std::int64_t{1} << 62);
  EXPECT_EQ(*gguf.integer("t.i64"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(*gguf.number("t.f32"), 0.5);
  EXPECT_EQ(*gguf.number("t.f64"), 1e300);
  EXPECT_EQ(*gguf.number("t.u8"), 200.0);
  EXPECT_EQ(std::get<bool>(*gguf.find_metadata("t.bool")), true);
  const auto array = [&](std::string_view key) {
    return std::get<MetadataArray>(*gguf.find_metadata(key));
  };
  EXPECT_EQ(std::get<std::vector<std::string_view>>(array("tokenizer.ggml.tokens")),
            (std::vector<std::string_view>{"a", "", "\xc4\xa0w", "<|im_end|>"}));
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(array("tokenizer.ggml.token_type")),
            (std::vector<std::int64_t>{1, 1, 1, 3}));
  EXPECT_EQ(std::get<std::vector<double>>(array("tokenizer.ggml.scores")),
            (std::vector<double>{0.0, -1.5}));
  EXPECT_EQ(std::get<std::vector<bool>>(array("t.flags")), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(gguf.metadata().size(), 16u);
  EXPECT_EQ(gguf.metadata()[0].key, "general.architecture");
  EXPECT_EQ(gguf.file_bytes(), bytes.size());
}

TEST(Gguf, RoundTripOfTensors) {
  const Bytes bytes = make_small().to_bytes();
  const auto file = parse(bytes);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ((*file)->tensors().size(), tensor_types().size() + 1);
  const TensorView* tensor = (*file)->find_tensor("tensor.Q5_K");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->type, TensorType::kQ5_K);
  EXPECT_EQ(tensor->dims, (std::vector<std::uint64_t>{512, 3}));
  EXPECT_EQ(tensor->bytes, 3 * 2 * 176u);
  EXPECT_EQ(tensor->elements(), 1536u);
  EXPECT_EQ(tensor->rows(), 3u);
  EXPECT_EQ(tensor->data[tensor->bytes - 1], static_cast<std::byte>(0x11));
  const TensorView* four = (*file)->find_tensor("four");
  ASSERT_NE(four, nullptr);
  float last;
  std::memcpy(&last, four->data + 12, sizeof last);
  EXPECT_EQ(last, 4.0F);
  EXPECT_EQ((*file)->find_tensor("five"), nullptr);
  EXPECT_EQ((*file)->find_metadata("nothing"), nullptr);
}

TEST(Gguf, AccessorsNameTheKey) {
  const Bytes bytes = make_small().to_bytes();
  const auto file = parse(bytes);
  ASSERT_TRUE(file);
  EXPECT_THAT((*file)->integer("missing.key").error().message,
              AllOf(HasSubstr("test.gguf"), HasSubstr("missing.key"), HasSubstr("missing")));
  EXPECT_THAT((*file)->integer("t.f32").error().message, HasSubstr("t.f32 is no integer"));
  EXPECT_THAT((*file)->integer("t.bool").error().message, HasSubstr("t.bool is no integer"));
  EXPECT_THAT((*file)->number("t.bool").error().message, HasSubstr("t.bool is no number"));
  EXPECT_THAT((*file)->string("t.u8").error().message, HasSubstr("t.u8 is no string"));
}

TEST(Gguf, Version2AndOtherAlignmentsAreRead) {
  EXPECT_EQ(error_of(RawGguf(0, 0, 2).bytes()), "(no error)");
  GgufWriter writer(128);
  writer.add_tensor("a", TensorType::kF32, {3}, std::vector<float>{1, 2, 3});
  writer.add_tensor("b", TensorType::kF32, {1}, std::vector<float>{9});
  const Bytes bytes = writer.to_bytes();
  const auto file = parse(bytes);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(((*file)->find_tensor("b")->data - (*file)->find_tensor("a")->data), 128);
  EXPECT_EQ(*(*file)->integer("general.alignment"), 128);
}

TEST(Gguf, TheLastTensorNeedsNoPadding) {
  Bytes bytes = make_small().to_bytes();
  bytes.resize(bytes.size() - 16);  // "four" is 16 bytes of 32
  EXPECT_EQ(error_of(bytes), "(no error)");
  bytes.resize(bytes.size() - 1);
  EXPECT_THAT(error_of(bytes), AllOf(HasSubstr("tensor four"), HasSubstr("truncated")));
}

// ---- what is refused

TEST(GgufRefuses, OtherFiles) {
  EXPECT_THAT(error_of({}), HasSubstr("magic"));
  EXPECT_THAT(error_of(RawGguf(0, 0, 0).bytes()), HasSubstr("version 0"));
  EXPECT_THAT(error_of(RawGguf(0, 0, 1).bytes()), HasSubstr("version 1"));
  EXPECT_THAT(error_of(RawGguf(0, 0, 4).bytes()), HasSubstr("version 4"));
  EXPECT_THAT(error_of(RawGguf(0, 0, 0x03000000).bytes()), HasSubstr("big-endian"));
  Bytes bytes = RawGguf(0, 0).bytes();
  bytes[0] = static_cast<std::byte>('g');
  EXPECT_THAT(error_of(bytes), HasSubstr("no GGUF file"));
}

TEST(GgufRefuses, CountsThatDoNotFit) {
  for (const std::uint64_t count :
       {std::uint64_t{1}, std::uint64_t{1} << 31, (std::uint64_t{1} << 32) - 1,
        std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    EXPECT_THAT(error_of(RawGguf(count, 0).bytes()), HasSubstr("tensor count")) << count;
    EXPECT_THAT(error_of(RawGguf(0, count).bytes()), HasSubstr("entry count")) << count;
    EXPECT_THAT(error_of(RawGguf(0, 1).u64(count).u64(0).u64(0).bytes()), HasSubstr("metadata key"))
        << count;
    // A string, and arrays of strings and of bytes, that claim more than the file has.
    EXPECT_THAT(error_of(RawGguf(0, 1).string("key").u32(8).u64(count).bytes()), HasSubstr("key"));
    EXPECT_THAT(error_of(RawGguf(0, 1).string("key").u32(9).u32(8).u64(count).bytes()),
                HasSubstr("key is"));
    EXPECT_THAT(error_of(RawGguf(0, 1).string("key").u32(9).u32(0).u64(count).bytes()),
                HasSubstr("key is"));
    EXPECT_THAT(error_of(RawGguf(1, 0).u64(count).text(std::string(80, ' ')).bytes()),
                count > 255 ? HasSubstr("a tensor name") : HasSubstr("dimensions"));
  }
}

TEST(GgufRefuses, BadMetadata) {
  EXPECT_THAT(error_of(RawGguf(0, 1).string("key").u32(13).u32(0).bytes()),
              HasSubstr("key: unknown metadata type 13"));
  EXPECT_THAT(error_of(RawGguf(0, 1).string("key").u32(9).u32(9).u64(0).bytes()),
              HasSubstr("array of arrays"));
  EXPECT_THAT(error_of(RawGguf(0, 1).string("key").u32(9).u32(77).u64(0).bytes()),
              HasSubstr("array of type 77"));
  EXPECT_THAT(error_of(RawGguf(0, 1).string("key").u32(7).u8(2).bytes()), HasSubstr("holds 2"));
  EXPECT_THAT(error_of(RawGguf(0, 1).string("key").u32(10).u64(~std::uint64_t{0}).bytes()),
              HasSubstr("18446744073709551615 is above"));
  EXPECT_THAT(error_of(RawGguf(0, 2).entry_u32("twin", 1).entry_u32("twin", 2).bytes()),
              HasSubstr("twin occurs twice"));
  EXPECT_THAT(error_of(RawGguf(0, 1).entry_u32("", 1).bytes()), HasSubstr("not clean text"));
  EXPECT_THAT(error_of(RawGguf(0, 1).entry_u32("a\x1b[31m", 1).bytes()),
              AllOf(HasSubstr("not clean text"), HasSubstr("a\\x1b[31m")));
  EXPECT_THAT(error_of(RawGguf(0, 1).entry_u32("a\xff", 1).bytes()), HasSubstr("a\\xff"));
}

TEST(GgufRefuses, BadAlignment) {
  for (const std::uint32_t alignment : {0u, 1u, 3u, 4u, 33u, 48u, 0xffffffffu}) {
    EXPECT_THAT(error_of(RawGguf(0, 1).entry_u32("general.alignment", alignment).bytes()),
                HasSubstr("power of two"))
        << alignment;
  }
  EXPECT_THAT(error_of(RawGguf(0, 1).string("general.alignment").u32(8).string("32").bytes()),
              HasSubstr("no integer"));
  EXPECT_THAT(error_of(RawGguf(1, 1)
                           .entry_u32("general.alignment", 1u << 31)
                           .tensor("t", {1}, 0, 0)
                           .with_data(64)),
              AllOf(HasSubstr("tensor t"), HasSubstr("data begins at byte 2147483648")));
}

TEST(GgufRefuses, BadTensorNames) {
  const auto named = [](std::string_view name) {
    return error_of(RawGguf(1, 0).tensor(name, {1}, 0, 0).with_data(4));
  };
  EXPECT_EQ(named("blk.0.attn_q.weight"), "(no error)");
  EXPECT_EQ(named(std::string(255, 'n')), "(no error)");
  EXPECT_THAT(named(std::string(256, 'n')), HasSubstr("256 bytes long, the limit is 255"));
  EXPECT_THAT(named(std::string(65535, 'n')), HasSubstr("65535"));
  EXPECT_THAT(named(std::string("a\0b", 3)), AllOf(HasSubstr("a\\x00b"), HasSubstr("clean")));
  EXPECT_THAT(named("../../etc/passwd"), HasSubstr("clean"));
  EXPECT_THAT(named(""), HasSubstr("clean"));
  EXPECT_THAT(error_of(RawGguf(2, 0).tensor("t", {1}, 0, 0).tensor("t", {1}, 0, 32).with_data(64)),
              HasSubstr("tensor t occurs twice"));
}

TEST(GgufRefuses, BadDimensions) {
  const auto shaped = [](std::vector<std::uint64_t> dims, std::uint32_t type) {
    return error_of(RawGguf(1, 0).tensor("t", std::move(dims), type, 0).with_data(64));
  };
  EXPECT_EQ(shaped({2, 2, 2, 2}, 0), "(no error)");
  EXPECT_THAT(shaped({}, 0), HasSubstr("tensor t has 0 dimensions"));
  EXPECT_THAT(shaped({1, 1, 1, 1, 1}, 0), HasSubstr("tensor t has 5 dimensions"));
  EXPECT_THAT(shaped({4, 0}, 0), HasSubstr("[4, 0]"));
  const std::uint64_t huge = std::uint64_t{1} << 33;
  EXPECT_THAT(shaped({huge, huge}, 0), HasSubstr("tensor t"));               // product overflows
  EXPECT_THAT(shaped({std::uint64_t{1} << 62}, 0), HasSubstr("too large"));  // bytes overflow
  EXPECT_THAT(shaped({~std::uint64_t{0}}, 0), HasSubstr("tensor t"));
  EXPECT_THAT(shaped({huge}, 0), HasSubstr("truncated"));
  EXPECT_THAT(shaped({33}, 8), HasSubstr("rows of 33 elements, no multiple of Q8_0's 32"));
  EXPECT_THAT(shaped({32, 8}, 12), HasSubstr("no multiple of Q4_K's 256"));
}

TEST(GgufRefuses, UnknownTypesWithTheirNames) {
  const auto typed = [](std::uint32_t type) {
    return error_of(RawGguf(1, 0).tensor("blk.0.x", {256}, type, 0).with_data(4096));
  };
  EXPECT_THAT(typed(21), HasSubstr("tensor blk.0.x has type 21 (IQ3_S)"));
  EXPECT_THAT(typed(16),
              HasSubstr("type 16 (IQ2_XXS), which this build does not read; it reads F32, "));
  EXPECT_THAT(typed(16), HasSubstr("IQ4_XS, MXFP4"));
  EXPECT_THAT(typed(4), HasSubstr("type 4 (Q4_2 (removed))"));
  EXPECT_THAT(typed(0xffffffff), HasSubstr("type 4294967295 (?)"));
}

TEST(GgufRefuses, BadPlaces) {
  const auto placed = [](std::uint64_t a, std::uint64_t b) {
    return error_of(RawGguf(2, 0).tensor("a", {16}, 0, a).tensor("b", {8}, 0, b).with_data(96));
  };
  EXPECT_EQ(placed(0, 64), "(no error)");
  EXPECT_EQ(placed(32, 0), "(no error)");
  EXPECT_THAT(placed(0, 96), AllOf(HasSubstr("tensor b"), HasSubstr("truncated")));
  EXPECT_THAT(placed(0, 60), AllOf(HasSubstr("tensor b"), HasSubstr("alignment 32")));
  EXPECT_THAT(placed(0, 32), HasSubstr("overlap"));
  EXPECT_THAT(placed(0, 0), HasSubstr("overlap"));
  EXPECT_THAT(placed(32, 64), HasSubstr("overlap"));
  EXPECT_THAT(placed(0, ~std::uint64_t{31}), HasSubstr("tensor b"));  // the sum overflows
  EXPECT_THAT(placed(0, std::uint64_t{1} << 63), HasSubstr("tensor b"));
}

TEST(Gguf, UnknownTypesCanBeListed) {
  const Bytes bytes =
      RawGguf(2, 0).tensor("odd", {256, 2}, 21, 0).tensor("known", {8}, 0, 256).with_data(288);
  const auto file = parse(bytes, UnknownTypes::kList);
  ASSERT_TRUE(file) << file.error().message;
  const TensorView* odd = (*file)->find_tensor("odd");
  EXPECT_EQ(static_cast<std::uint32_t>(odd->type), 21u);
  EXPECT_EQ(odd->data, nullptr);
  EXPECT_EQ(odd->bytes, 0u);
  EXPECT_NE((*file)->find_tensor("known")->data, nullptr);
}

// ---- files

TEST(GgufFile, OpensAFileAndOutlivesItsName) {
  const TemporaryFolder folder;
  const std::string path = folder.file("small.gguf");
  ASSERT_TRUE(make_small().write(path));
  const auto file = GgufFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ((*file)->name(), path);
  std::filesystem::remove(path);
  EXPECT_EQ((*file)->find_tensor("tensor.F32")->data[23], static_cast<std::byte>(0x11));
}

TEST(GgufFile, RefusesWhatIsNoRegularFileWithoutHanging) {
  const TemporaryFolder folder;
  const auto error = [](const std::string& path) { return GgufFile::open(path).error(); };
  EXPECT_EQ(error(folder.file("none.gguf")).code, ErrorCode::kNotFound);
  EXPECT_THAT(error(folder.file("none.gguf")).message, HasSubstr("none.gguf"));
  EXPECT_THAT(error(folder.file("")).message, HasSubstr("a directory"));
  EXPECT_THAT(error("/dev/zero").message, HasSubstr("a device"));
  ASSERT_EQ(mkfifo(folder.file("pipe").c_str(), 0600), 0);
  EXPECT_THAT(error(folder.file("pipe")).message, HasSubstr("a named pipe"));
  write_file(folder.file("empty.gguf"), {});
  EXPECT_THAT(error(folder.file("empty.gguf")).message, HasSubstr("is empty"));
  const int socket_fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", folder.file("socket").c_str());
  ASSERT_EQ(::bind(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_FALSE(GgufFile::open(folder.file("socket")));
  ::close(socket_fd);
}

// ---- split files

// Part `number` of `count`, with one tensor "t<number>".
Bytes make_part(int number, int count, int total_tensors, const std::string& tensor = "") {
  GgufWriter writer;
  writer.add("split.no", static_cast<std::uint16_t>(number - 1));
  writer.add("split.count", static_cast<std::uint16_t>(count));
  writer.add("split.tensors.count", static_cast<std::int32_t>(total_tensors));
  const float value = static_cast<float>(number);
  writer.add_tensor(tensor.empty() ? "t" + std::to_string(number) : tensor, TensorType::kF32, {1},
                    std::vector<float>{value});
  return writer.to_bytes();
}

class SplitGguf : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int number = 1; number <= 3; ++number) write_file(part(number), make_part(number, 3, 3));
  }
  std::string part(int number, int count = 3) const {
    return folder_.file("m-0000" + std::to_string(number) + "-of-0000" + std::to_string(count) +
                        ".gguf");
  }
  std::string error() const {
    const auto file = GgufFile::open(part(1));
    return file ? "(no error)" : file.error().message;
  }
  TemporaryFolder folder_;
};

TEST_F(SplitGguf, AllPartsAreOneFile) {
  const auto file = GgufFile::open(part(1));
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ((*file)->tensors().size(), 3u);
  for (int number = 1; number <= 3; ++number) {
    float value;
    std::memcpy(&value, (*file)->find_tensor("t" + std::to_string(number))->data, sizeof value);
    EXPECT_EQ(value, static_cast<float>(number));
  }
  EXPECT_EQ((*file)->metadata().size(), 3u);
}

TEST_F(SplitGguf, AMissingPartIsNamed) {
  std::filesystem::remove(part(2));
  EXPECT_THAT(error(), AllOf(HasSubstr("part 2 of 3 is missing"), HasSubstr("m-00002-of-00003")));
}

TEST_F(SplitGguf, WrongOrderCountsAndTwinsAreRefused) {
  write_file(part(2), make_part(3, 3, 3));
  EXPECT_THAT(error(), HasSubstr("says it is part 3 of 3"));
  write_file(part(2), make_part(2, 4, 3));
  EXPECT_THAT(error(), HasSubstr("says it is part 2 of 4"));
  write_file(part(2), make_part(2, 3, 3, "t1"));
  EXPECT_THAT(error(), HasSubstr("tensor t1 is in two parts"));
  write_file(part(2), make_part(2, 3, 3));
  EXPECT_EQ(error(), "(no error)");
  write_file(part(1), make_part(1, 3, 5));
  EXPECT_THAT(error(), HasSubstr("split.tensors.count is 5, the 3 parts hold 3"));
  write_file(part(1), make_part(1, 2, 3));
  EXPECT_THAT(error(), HasSubstr("one of 2 parts"));
  write_file(part(1), make_part(2, 3, 3));
  EXPECT_THAT(error(), HasSubstr("open the first part"));
}

TEST_F(SplitGguf, ALaterPartOrAnotherNameIsExplained) {
  EXPECT_THAT(GgufFile::open(part(2)).error().message,
              AllOf(HasSubstr("part 2 of 3"), HasSubstr("m-00001-of-00003.gguf")));
  std::filesystem::rename(part(1), folder_.file("renamed.gguf"));
  EXPECT_THAT(GgufFile::open(folder_.file("renamed.gguf")).error().message,
              HasSubstr("cannot be found"));
  const Bytes bytes = make_part(1, 3, 3);
  EXPECT_THAT(error_of(bytes), HasSubstr("one of 3 parts"));
}

TEST(Printable, EscapesWhatATerminalMustNotSee) {
  EXPECT_EQ(printable("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(printable("a\nb\tc\x01\x7f\xc2\x9b"), "a\\nb\\tc\\x01\\x7f\\x9b");
  EXPECT_EQ(printable("\xff\xfe!"), "\\xff\\xfe!");
  EXPECT_EQ(printable("0123456789", 4), "0123...");
}

}  // namespace
}  // namespace tessera::weights
