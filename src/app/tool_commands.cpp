// The commands that look at one thing and end: inspect, logits, render, fields, tokenize,
// detokenize.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <limits>
#include <string>

#include "api/field_docs.h"
#include "api/parse_chat.h"
#include "app/checkpoint.h"
#include "app/commands.h"
#include "app/read_text.h"
#include "chat/prompt.h"
#include "model/inspect.h"
#include "model/logits.h"

namespace tessera::app {
namespace {

std::string read_standard_input() {
  std::string text;
  char buffer[65536];
  for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, stdin)) > 0;)
    text.append(buffer, got);
  return text;
}

void write_standard_output(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

// `render` takes a body without a model's name, too: the prompt does not depend on it.
std::string with_model(const std::string& body) {
  auto parsed = json::parse(body);
  json::Object* object = parsed ? parsed->if_object() : nullptr;
  if (object == nullptr || object->contains("model")) return body;
  object->set("model", "any");
  return json::to_text(*parsed);
}

// The template's own switches that are no business of a server's clients.
bool template_flag(const std::string& body, std::string_view name, bool standard) {
  const auto parsed = json::parse(body);
  const json::Value* kwargs = parsed ? parsed->find("chat_template_kwargs") : nullptr;
  const json::Value* flag = kwargs == nullptr ? nullptr : kwargs->find(name);
  const bool* value = flag == nullptr ? nullptr : flag->if_bool();
  return value == nullptr ? standard : *value;
}

}  // namespace

int report(const Error& error) {
  fmt::print(stderr, "tessera: {}\n", error.message);
  return 1;
}

int run_inspect(const std::string& path, std::int32_t context) {
  // A file of types that this build cannot compute with is worth looking at, too.
  const auto file = open_weights(path, weights::UnknownTypes::kList);
  if (!file) return report(file.error());
  write_standard_output(model::inspect(*file, context));
  return 0;
}

int run_logits(const LogitsOptions& options) {
  const auto checkpoint = load_checkpoint(options.model.path);
  if (!checkpoint) return report(checkpoint.error());
  const auto text = read_text(options.tokens_path);
  if (!text) return report(text.error());
  const auto tokens = model::parse_token_ids(*text, checkpoint->tensors.config.vocabulary);
  if (!tokens)
    return report({tokens.error().code, options.tokens_path + ": " + tokens.error().message});
  auto backend =
      make_backend(options.model, *checkpoint, checkpoint->tensors.config.max_context, 1);
  if (!backend) return report(backend.error());
  const auto written = model::write_logits(**backend, *tokens, options.chunk, options.out_path);
  if (!written) return report(written.error());
  fmt::print(stderr, "{} rows of {} logits by {} in {}\n", tokens->size(),
             (*backend)->limits().vocabulary, (*backend)->name(), options.out_path);
  return 0;
}

int run_render() {
  const std::string body = read_standard_input();
  const api::Reading reading{.as_template = true,
                             .number_media = template_flag(body, "add_vision_id", false)};
  const auto parsed =
      api::parse_chat(with_model(body),
                      {.vocabulary = std::numeric_limits<std::int32_t>::max(), .reading = reading});
  if (!parsed) {
    const std::string& param = parsed.error().param;
    return report({ErrorCode::kInvalidArgument,
                   parsed.error().message + (param.empty() ? "" : " (at " + param + ")")});
  }
  const bool add_generation_prompt = template_flag(body, "add_generation_prompt", true);
  write_standard_output(
      chat::to_text(chat::render_prompt(parsed->chat.prompt, add_generation_prompt)));
  return 0;
}

int run_fields(bool markdown) {
  write_standard_output(markdown ? api::fields_as_markdown() : api::fields_as_json() + "\n");
  return 0;
}

int run_tokenize(const std::string& model_path, bool added) {
  const auto file = open_weights(model_path);
  if (!file) return report(file.error());
  const auto tokenizer = load_tokenizer(**file);
  if (!tokenizer) return report(tokenizer.error());
  const std::string text = read_standard_input();
  std::vector<TokenId> ids;
  if (added) {
    (*tokenizer)->encode_with_added_tokens(text, ids);
  } else {
    (*tokenizer)->encode_text(text, ids);
  }
  std::string out;
  for (const TokenId id : ids) out += fmt::format("{}{}", out.empty() ? "" : ",", id);
  write_standard_output(out + "\n");
  return 0;
}

int run_detokenize(const std::string& model_path) {
  const auto file = open_weights(model_path);
  if (!file) return report(file.error());
  const auto tokenizer = load_tokenizer(**file);
  if (!tokenizer) return report(tokenizer.error());
  const auto ids = model::parse_token_ids(read_standard_input(), (*tokenizer)->vocabulary_size());
  if (!ids) return report(ids.error());
  write_standard_output((*tokenizer)->decode(*ids));
  return 0;
}

}  // namespace tessera::app
