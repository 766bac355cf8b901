// `grammar check`: schemas and instances on standard input, one JSON object a line; whether the
// constrained decoder can write the instance on standard output, one line each. The masks are those
// that the server uses, token by token.
//
//   {"id": …, "schema": …, "instance": "…", "mode": "json_schema" | "json_object" | "qwen_tool"}
//   accept | reject OFFSET … | unsupported …, a tab, and measurements as JSON
//
// `grammar sample`: random walks through the same masks, to their end; each answer on a line.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "app/checkpoint.h"
#include "app/commands.h"
#include "app/read_text.h"
#include "base/json.h"
#include "chat/custom_tool.h"
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

// A member of members of a value, a string; null when there is none.
const std::string* text_at(const json::Value* value, std::initializer_list<std::string_view> path) {
  for (const std::string_view step : path) {
    if (value == nullptr) return nullptr;
    value = value->find(step);
  }
  return value == nullptr ? nullptr : value->if_string();
}

grammar::TextForm form_of(const json::Value& custom) {
  using Syntax = grammar::TextForm::Syntax;
  const std::string* type = text_at(&custom, {"format", "type"});
  const std::string* syntax = text_at(&custom, {"format", "grammar", "syntax"});
  const std::string* definition = text_at(&custom, {"format", "grammar", "definition"});
  if (type == nullptr || *type != "grammar" || syntax == nullptr || definition == nullptr)
    return {};
  return {*syntax == "regex" ? Syntax::kRegex : Syntax::kLark, *definition};
}

Result<GrammarPtr, GrammarError> compile(const json::Value& schema, std::string_view mode) {
  if (mode == "json_object") return grammar::compile_json_object();
  if (mode != "qwen_tool") return grammar::compile_schema(schema);
  grammar::ToolRules rules;
  const json::Array* tools = schema.if_array();
  for (std::size_t i = 0; tools != nullptr && i < tools->size(); ++i) {
    const json::Value* custom = (*tools)[i].find("custom");
    const json::Value* function = custom != nullptr ? custom : (*tools)[i].find("function");
    if (text_at(function, {"name"}) == nullptr) {
      return grammar::fail(grammar::GrammarErrorCode::kInvalidSchema, "a tool without a name");
    }
    if (custom != nullptr) rules.inputs[i] = {chat::kCustomInput, form_of(*custom)};
    rules.functions.push_back(function);
  }
  return grammar::compile_tools(rules);
}

struct Words {
  std::shared_ptr<const text::Tokenizer> tokenizer;
  grammar::VocabularyPtr vocabulary;
};

Result<Words> load_words(const std::string& model_path) {
  TRY_ASSIGN(const auto file, open_weights(model_path));
  Words words;
  TRY_ASSIGN(words.tokenizer, load_tokenizer(*file));
  std::vector<TokenId> ends;
  for (const std::string_view end : {"<|im_end|>", "<|endoftext|>"}) {
    if (const auto id = words.tokenizer->find_added(end)) ends.push_back(*id);
  }
  words.vocabulary = grammar::Vocabulary::create(*words.tokenizer, ends);
  grammar::warm_up(words.vocabulary);
  return words;
}

class Checker {
 public:
  Checker(Words words, bool bytes)
      : tokenizer_(std::move(words.tokenizer)),
        vocabulary_(std::move(words.vocabulary)),
        bytes_(bytes) {}

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
    return run(*compiled, tokens(*compiled, *instance->if_string(), name == "qwen_tool"),
               compile_us);
  }

 private:
  static bool may_come(const std::vector<std::uint32_t>& mask, TokenId token) {
    const auto at = static_cast<std::size_t>(token);
    return (mask[at / 32] >> (at % 32) & 1) != 0;
  }

  // With control tokens where they may come; what spells one elsewhere, in a value, is text.
  std::vector<TokenId> tokens_with_calls(const GrammarPtr& grammar, const std::string& text) const {
    std::vector<TokenId> spelt;
    tokenizer_->encode_with_added_tokens(text, spelt);
    grammar::Matcher matcher(grammar, vocabulary_);
    std::vector<std::uint32_t> mask(vocabulary_->mask_words());
    std::vector<TokenId> out;
    std::vector<TokenId> bytes;
    std::string run;
    bool right = true;
    for (const TokenId token : spelt) {
      bool control = !vocabulary_->is_text(token);
      if (control && right) control = matcher.fill_mask(mask) && may_come(mask, token);
      bytes.clear();
      if (control) {
        tokenizer_->encode_text(run, out);
        run.clear();
        out.push_back(token);
        bytes.push_back(token);
      } else {
        const std::string_view read = tokenizer_->bytes(token);
        run += read;
        for (const char c : read) tokenizer_->encode_text(std::string_view(&c, 1), bytes);
      }
      for (const TokenId byte : bytes) right = right && matcher.accept(byte);
    }
    tokenizer_->encode_text(run, out);
    return out;
  }

  std::vector<TokenId> tokens(const GrammarPtr& grammar, const std::string& text,
                              bool calls) const {
    std::vector<TokenId> whole;
    if (calls) {
      whole = tokens_with_calls(grammar, text);
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
    for (const TokenId token : tokens) {
      fill();
      if (!may_come(mask, token) || !matcher.accept(token)) {
        verdict = fmt::format("reject {}", offset);
        break;
      }
      offset += tokenizer_->bytes(token).size();
    }
    if (!verdict) {
      fill();
      const auto ends = vocabulary_->end_tokens();
      const bool done = std::any_of(ends.begin(), ends.end(),
                                    [&](TokenId token) { return may_come(mask, token); });
      verdict = done ? "accept" : fmt::format("reject {} it is not complete", offset);
    }
    return fmt::format(
        "{}\t{{\"compile_us\":{:.1f},\"tokens\":{},\"mask_us_max\":{:.1f},\"mask_us_sum\":{:.1f}}}",
        *verdict, compile_us, tokens.size(), slowest, sum);
  }

  std::shared_ptr<const text::Tokenizer> tokenizer_;
  grammar::VocabularyPtr vocabulary_;
  bool bytes_;
};

// Walks are drawn towards their end by the first of these that may come. Where both brackets may,
// it is a text that has to be closed.
constexpr std::string_view kClosing[] = {"}", "]", "\"", ":", ","};
constexpr std::size_t kFreeSteps = 30;
constexpr std::size_t kMaxSteps = 20'000;

class Sampler {
 public:
  Sampler(const Words& words, std::uint32_t seed)
      : vocabulary_(*words.vocabulary), mask_(vocabulary_.mask_words()), random_(seed) {
    for (const TokenId end : vocabulary_.end_tokens()) closing_.push_back(end);
    for (const std::string_view text : kClosing) {
      words.tokenizer->encode_text(text, closing_);
    }
    words.tokenizer->encode_text("}", brackets_);
    words.tokenizer->encode_text("]", brackets_);
  }

  // Nothing: it got stuck, or does not end.
  std::optional<std::string> sample(grammar::Matcher& matcher) {
    std::string answer;
    for (std::size_t step = 0; step < kMaxSteps; ++step) {
      matcher.fill_mask(mask_);
      const auto token = choose(step);
      if (!token || !matcher.accept(*token)) return std::nullopt;
      if (matcher.ended()) return answer;
      answer += vocabulary_.bytes(*token);
    }
    return std::nullopt;
  }

 private:
  bool may_come(TokenId token) const {
    const auto at = static_cast<std::size_t>(token);
    return (mask_[at / 32] >> (at % 32) & 1) != 0;
  }

  std::optional<TokenId> choose(std::size_t step) {
    if (random_() % 8 < (step < kFreeSteps ? 1u : 6u)) {
      const bool text = may_come(brackets_[0]) && may_come(brackets_[1]);
      const auto found = std::find_if(closing_.begin(), closing_.end(), [&](TokenId token) {
        const bool bracket = token == brackets_[0] || token == brackets_[1];
        return may_come(token) && !(text && bracket);
      });
      if (found != closing_.end()) return *found;
    }
    // A first byte, then a token with it: what few tokens have, like @, is not drowned.
    std::map<int, std::vector<TokenId>> allowed;
    for (TokenId token = 0; token < static_cast<TokenId>(vocabulary_.size()); ++token) {
      if (!may_come(token)) continue;
      const bool text = vocabulary_.is_text(token);
      allowed[text ? static_cast<std::uint8_t>(vocabulary_.bytes(token)[0]) : -1].push_back(token);
    }
    if (allowed.empty()) return std::nullopt;
    const auto& tokens =
        std::next(allowed.begin(), static_cast<std::ptrdiff_t>(random_() % allowed.size()))->second;
    return tokens[random_() % tokens.size()];
  }

  const grammar::Vocabulary& vocabulary_;
  std::vector<std::uint32_t> mask_;
  std::vector<TokenId> closing_;
  std::vector<TokenId> brackets_;
  std::mt19937 random_;
};

}  // namespace

int run_grammar_check(const std::string& model_path, bool bytes) {
  auto words = load_words(model_path);
  if (!words) return report(words.error());
  const Checker checker(*std::move(words), bytes);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << checker.check(line) << '\n' << std::flush;
  }
  return 0;
}

int run_grammar_sample(const GrammarSampleOptions& options) {
  const auto text = read_text(options.schema_path);
  if (!text) return report(text.error());
  const auto schema = json::parse(*text, {.max_depth = 2000});
  if (!schema) {
    return report(
        Error{ErrorCode::kInvalidArgument, options.schema_path + ": " + schema.error().message});
  }
  const auto grammar = grammar::compile_schema(*schema);
  if (!grammar) {
    const GrammarError& error = grammar.error();
    return report(Error{ErrorCode::kInvalidArgument,
                        fmt::format("{}: {} at {}", options.schema_path, error.message,
                                    error.path.empty() ? "/" : error.path)});
  }
  const auto words = load_words(options.model_path);
  if (!words) return report(words.error());
  Sampler sampler(*words, options.seed);
  for (std::uint32_t i = 0; i < options.count; ++i) {
    grammar::Matcher matcher(*grammar, words->vocabulary);
    const auto answer = sampler.sample(matcher);
    if (!answer) return report(Error{ErrorCode::kDeadEnd, "a walk found no end"});
    // Newlines stand between JSON's tokens alone: within strings they are escaped.
    std::cout << one_line(*answer) << '\n';
  }
  return 0;
}

}  // namespace tessera::app
