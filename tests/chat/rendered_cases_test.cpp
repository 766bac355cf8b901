// The renderer against rendered chats: our own (cases.json), and the model's reference data where
// it is there.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "chat/prompt.h"
#include "template_case.h"

namespace tessera::chat {
namespace {

constexpr const char* kOwnCases = "tests/chat/cases.json";
constexpr const char* kRenderedCases = "../shared/data/qwen36_chat_rendered_cases.json";
constexpr const char* kOracleVectors = "../shared/data/qwen36_chat_oracle_vectors.json";

std::string rendered(const TemplateCase& chat_case) {
  return to_text(render_prompt(chat_case.input, chat_case.add_generation_prompt));
}

// Renders all cases of a file that have a text; returns how many.
int check_file(const std::string& path) {
  const auto cases = read_template_cases(path);
  EXPECT_TRUE(cases) << (cases ? "" : cases.error().message);
  if (!cases) return 0;
  int checked = 0;
  for (const TemplateCase& chat_case : *cases) {
    if (chat_case.template_refuses) continue;
    EXPECT_EQ(rendered(chat_case), chat_case.text) << path << ": " << chat_case.name;
    ++checked;
  }
  return checked;
}

TEST(RenderedCases, Own) {
  EXPECT_GE(check_file(kOwnCases), 25);
}

TEST(RenderedCases, OfTheModelsTemplate) {
  if (!std::filesystem::exists(kRenderedCases)) GTEST_SKIP() << kRenderedCases << " is not there";
  EXPECT_EQ(check_file(kRenderedCases), 29);
}

TEST(RenderedCases, OfTheOracle) {
  if (!std::filesystem::exists(kOracleVectors)) GTEST_SKIP() << kOracleVectors << " is not there";
  EXPECT_EQ(check_file(kOracleVectors), 13);
}

// The oracle's tokens hold the control tokens that the reference tokenizer saw: ours are the same
// ones in the same order, as long as no content spells one.
TEST(RenderedCases, ControlTokensOfTheOracle) {
  if (!std::filesystem::exists(kOracleVectors)) GTEST_SKIP() << kOracleVectors << " is not there";
  const std::map<std::int64_t, std::string> controls = {
      {248045, "<|im_start|>"}, {248046, "<|im_end|>"},      {248058, "<tool_call>"},
      {248059, "</tool_call>"}, {248066, "<tool_response>"}, {248067, "</tool_response>"},
      {248068, "<think>"},      {248069, "</think>"}};
  std::ifstream file(kOracleVectors);
  std::stringstream text;
  text << file.rdbuf();
  const auto vectors = json::parse(text.str());
  ASSERT_TRUE(vectors);
  const auto cases = read_template_cases(kOracleVectors);
  ASSERT_TRUE(cases);
  int checked = 0;
  for (std::size_t i = 0; i < cases->size(); ++i) {
    const TemplateCase& chat_case = (*cases)[i];
    if (chat_case.name == "tool_response_user_not_query") continue;
    std::vector<std::string> expected;
    for (const json::Value& id : *(*vectors->if_array())[i].find("ids")->if_array()) {
      if (*id.as_int64() < 248044) continue;
      ASSERT_TRUE(controls.contains(*id.as_int64())) << chat_case.name;
      expected.push_back(controls.at(*id.as_int64()));
    }
    std::vector<std::string> ours;
    for (const Span& span : render_prompt(chat_case.input, chat_case.add_generation_prompt).spans) {
      if (span.kind == SpanKind::kControl) ours.push_back(span.text);
    }
    EXPECT_EQ(ours, expected) << chat_case.name;
    ++checked;
  }
  EXPECT_EQ(checked, 12);
}

}  // namespace
}  // namespace tessera::chat
