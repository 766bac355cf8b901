// `grammar check`: schemas and instances on standard input, one JSON object a line; whether the
// constrained decoder can write the instance on standard output, one line each. The masks are those
// that the server uses, token by token.
//
//   {"id": …, "schema": …, "instance": "…", "mode": "json_schema" | "json_object" | "qwen_tool"}
//   accept | reject OFFSET … | unsupported …, a tab, and measurements as JSON
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "app/checkpoint.h"
#include "app/commands.h"
#include "base/json.h"
#include "grammar/compile.h"
#include "grammar/matcher.h"

namespace tessera::app {
namespace {

using grammar::GrammarError;
using grammar::GrammarPtr;
using Clock = std::chrono::steady_clock;

double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return text;
}

Result<GrammarPtr, GrammarError> compile(const json::Value& schema, std::string_view mode) {
  if (mode == "json_object") return grammar::compile_json_object();
  if (mode != "qwen_tool") return grammar::compile_schema(schema);
  grammar::ToolRules rules;
  const json::Array* tools = schema.if_array();
  for (std::size_t i = 0; tools != nullptr && i < tools->size(); ++i) {
    const json::Value* function = (*tools)[i].find("function");
    const json::Value* name = function == nullptr ? nullptr : function->find("name");
    if (name == nullptr || name->if_string() == nullptr) {
      return grammar::fail(grammar::GrammarErrorCode::kInvalidSchema, "a tool without a name");
    }
    rules.functions.push_back(function);
  }
  return grammar::compile_tools(rules);
}

class Checker {
 public:
  Checker(std::shared_ptr<const text::Tokenizer> tokenizer, bool bytes)
      : tokenizer_(std::move(tokenizer)), bytes_(bytes) {
    std::vector<TokenId> ends;
    for (const std::string_view end : {"<|im_end|>", "<|endoftext|>"}) {
      if (const auto id = tokenizer_->find_added(end)) ends.push_back(*id);
    }
    vocabulary_ = grammar::Vocabulary::create(*tokenizer_, ends);
    grammar::warm_up(vocabulary_);
  }

  std::string check(const std::string& line) const {
    const auto input = json::parse(line, {.max_depth = 2000});
    const json::Value* schema = input ? input->find("schema") : nullptr;
    const json::Value* instance = input ? input->find("instance") : nullptr;
    if (instance == nullptr || instance->if_string() == nullptr) return "unsupported input line";
    const json::Value* mode = input->find("mode");
    const std::string name =
        mode != nullptr && mode->if_string() != nullptr ? *mode->if_string() : "json_schema";
    const Clock::time_point start = Clock::now();
    const json::Value none;
    const auto compiled = compile(schema == nullptr ? none : *schema, name);
    const double compile_us = microseconds_since(start);
    if (!compiled) {
      const GrammarError& error = compiled.error();
      return fmt::format("unsupported {} at {}\t{{\"compile_us\":{:.1f}}}", one_line(error.message),
                         one_line(error.path.empty() ? "/" : error.path), compile_us);
    }
    return run(*compiled, tokens(*instance->if_string(), name == "qwen_tool"), compile_us);
  }

 private:
  std::vector<TokenId> tokens(const std::string& text, bool added) const {
    std::vector<TokenId> whole;
    if (added) {
      tokenizer_->encode_with_added_tokens(text, whole);
    } else {
      tokenizer_->encode_text(text, whole);
    }
    if (!bytes_) return whole;
    std::vector<TokenId> out;
    for (const TokenId token : whole) {
      if (!vocabulary_->is_text(token)) {
        out.push_back(token);
        continue;
      }
      for (const char c : tokenizer_->bytes(token)) {
        tokenizer_->encode_text(std::string_view(&c, 1), out);
      }
    }
    return out;
  }

  std::string run(const GrammarPtr& grammar, const std::vector<TokenId>& tokens,
                  double compile_us) const {
    grammar::Matcher matcher(grammar, vocabulary_);
    std::vector<std::uint32_t> mask(vocabulary_->mask_words());
    double slowest = 0;
    double sum = 0;
    std::size_t offset = 0;
    std::optional<std::string> verdict;
    const auto fill = [&] {
      const Clock::time_point start = Clock::now();
      matcher.fill_mask(mask);
      const double us = microseconds_since(start);
      slowest = std::max(slowest, us);
      sum += us;
    };
    const auto may_come = [&](TokenId token) {
      const auto at = static_cast<std::size_t>(token);
      return (mask[at / 32] >> (at % 32) & 1) != 0;
    };
    for (const TokenId token : tokens) {
      fill();
      if (!may_come(token) || !matcher.accept(token)) {
        verdict = fmt::format("reject {}", offset);
        break;
      }
      offset += tokenizer_->bytes(token).size();
    }
    if (!verdict) {
      fill();
      const auto ends = vocabulary_->end_tokens();
      const bool done = std::any_of(ends.begin(), ends.end(), may_come);
      verdict = done ? "accept" : fmt::format("reject {} it is not complete", offset);
    }
    return fmt::format(
        "{}\t{{\"compile_us\":{:.1f},\"tokens\":{},\"mask_us_max\":{:.1f},\"mask_us_sum\":{:.1f}}}",
        *verdict, compile_us, tokens.size(), slowest, sum);
  }

  std::shared_ptr<const text::Tokenizer> tokenizer_;
  bool bytes_;
  grammar::VocabularyPtr vocabulary_;
};

}  // namespace

int run_grammar_check(const std::string& model_path, bool bytes) {
  const auto file = open_weights(model_path);
  if (!file) return report(file.error());
  auto tokenizer = load_tokenizer(**file);
  if (!tokenizer) return report(tokenizer.error());
  const Checker checker(*std::move(tokenizer), bytes);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << checker.check(line) << '\n' << std::flush;
  }
  return 0;
}

}  // namespace tessera::app
