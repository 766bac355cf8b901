// The columns of a row, each at its limit and beyond, and the tables' own order.
#include "api/fields.h"

#include <gtest/gtest.h>

#include <set>

#include "api/chat_fields.h"
#include "api/completion_fields.h"
#include "api/field_docs.h"
#include "api/openapi.h"

namespace tessera::api {
namespace {

// The code that `value` gets; empty: none.
std::string check(const Field& field, const std::string& value) {
  const auto checked = check_field(field, *json::parse(value), "p");
  if (checked) return "";
  EXPECT_EQ(checked.error().param, "p");
  return std::string(row(checked.error().id).code);
}

TEST(CheckField, Integers) {
  const Field field{.path = "p", .types = kInteger, .integer = {1, 8}};
  for (const char* good : {"1", "8", "1.0", "8e0", "0.1e1"}) EXPECT_EQ(check(field, good), "");
  for (const char* low : {"0", "-0", "-1", "-1e400", "-9223372036854775809"})
    EXPECT_EQ(check(field, low), "integer_below_min_value") << low;
  for (const char* high : {"9", "1e18", "9223372036854775808", "1e400"})
    EXPECT_EQ(check(field, high), "integer_above_max_value") << high;
  for (const char* other : {"1.5", "\"1\"", "true", "[]", "{}"})
    EXPECT_EQ(check(field, other), "invalid_type") << other;
  const Field any{.path = "p", .types = kInteger};
  EXPECT_EQ(check(any, "-9223372036854775808"), "");
  EXPECT_EQ(check(any, "9223372036854775807"), "");
  EXPECT_EQ(check(any, "9223372036854775808"), "integer_above_max_value");
}

TEST(CheckField, Numbers) {
  const Field field{.path = "p", .types = kNumber, .number = {0, 2}};
  for (const char* good : {"0", "-0", "2", "2.0", "1e-400", "5e-324"})
    EXPECT_EQ(check(field, good), "") << good;
  for (const char* low : {"-1e-9", "-1e400"})
    EXPECT_EQ(check(field, low), "decimal_below_min_value") << low;
  for (const char* high : {"2.0001", "1e400"})
    EXPECT_EQ(check(field, high), "decimal_above_max_value") << high;
}

TEST(CheckField, TextIsCountedInCharactersOrBytes) {
  const Field characters{.path = "p", .types = kString, .string = {1, 2}};
  EXPECT_EQ(check(characters, R"("éé")"), "");
  EXPECT_EQ(check(characters, R"("ééé")"), "string_above_max_length");
  EXPECT_EQ(check(characters, R"("")"), "invalid_value");
  const Field bytes{.path = "p", .types = kString, .string = {1, 2}, .in_bytes = true};
  EXPECT_EQ(check(bytes, R"("é")"), "");
  EXPECT_EQ(check(bytes, R"("éa")"), "string_above_max_length");
}

TEST(CheckField, LettersAndWords) {
  const Field name{.path = "p", .types = kString, .string = {1, 3}, .letters = Letters::kName};
  EXPECT_EQ(check(name, R"("a_-")"), "");
  EXPECT_EQ(check(name, R"("abcd")"), "string_above_max_length");
  for (const char* bad : {R"("")", R"("a.b")", R"("é")", R"("a\u0000")"})
    EXPECT_EQ(check(name, bad), "invalid_value") << bad;
  const Field no_nul{.path = "p", .types = kString, .letters = Letters::kNoNul};
  EXPECT_EQ(check(no_nul, R"("")"), "");
  EXPECT_EQ(check(no_nul, R"("a\u0000")"), "invalid_value");
  static constexpr std::string_view kWords[] = {"a", "b"};
  const Field word{.path = "p", .types = kString | kObject, .choices = kWords};
  EXPECT_EQ(check(word, R"("b")"), "");
  EXPECT_EQ(check(word, "{}"), "");
  EXPECT_EQ(check(word, R"("c")"), "invalid_value");
}

TEST(CheckField, Items) {
  const Field field{.path = "p", .types = kArray | kObject, .items = {1, 2}};
  for (const char* good : {"[1]", "[1,2]", R"({"a":1})"}) EXPECT_EQ(check(field, good), "") << good;
  EXPECT_EQ(check(field, "[]"), "empty_array");
  EXPECT_EQ(check(field, "[1,2,3]"), "array_above_max_length");
  EXPECT_EQ(check(field, R"({"a":1,"b":2,"c":3})"), "array_above_max_length");
}

TEST(CheckField, RefusedFieldsAreRefusedWhateverTheyHold) {
  const Field field{.path = "p", .effect = Effect::kRefused};
  for (const char* value : {"true", "{}", "5"})
    EXPECT_EQ(check(field, value), "unsupported_parameter");
}

// A row's parent is a row that can hold it, and no path is there twice.
TEST(FieldTables, AreWhole) {
  for (const auto table : {chat_fields(), completion_fields()}) {
    std::set<std::string_view> paths;
    for (const Field& field : table) {
      EXPECT_TRUE(paths.insert(field.path).second) << field.path;
      if (is_top_level(field.path)) {
        EXPECT_TRUE(field.read != nullptr || field.effect != Effect::kSupported) << field.path;
        continue;
      }
      const bool element = field.path.ends_with("[]");
      const std::string_view parent =
          field.path.substr(0, element ? field.path.size() - 2 : field.path.rfind('.'));
      ASSERT_TRUE(paths.contains(parent)) << field.path << " stands before its parent";
      EXPECT_NE(find_field(table, parent).types & (element ? kArray : kObject), 0u) << field.path;
    }
  }
}

TEST(FieldTables, ANestedPathIsNoFieldsName) {
  EXPECT_NE(find_top_field(chat_fields(), "stop"), nullptr);
  EXPECT_EQ(find_top_field(chat_fields(), "stop[]"), nullptr);
  EXPECT_EQ(find_top_field(chat_fields(), "stream_options.include_usage"), nullptr);
  EXPECT_EQ(find_top_field(chat_fields(), ""), nullptr);
}

TEST(FieldTables, DocumentsAreJson) {
  ASSERT_TRUE(json::parse(fields_as_json()));
  const auto document = json::parse(openapi_document());
  ASSERT_TRUE(document);
  const json::Value* schema =
      document->find("components")->find("schemas")->find("ChatCompletionRequest");
  ASSERT_NE(schema, nullptr);
  EXPECT_EQ(json::to_text(*schema->find("required")), R"(["model","messages"])");
  EXPECT_EQ(json::to_text(*schema->find("properties")->find("audio")->find("type")), R"("null")");
}

}  // namespace
}  // namespace tessera::api
