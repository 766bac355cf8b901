// Matcher: masks of strings and raw texts, where nearly all of the vocabulary may come. Tokens that
// stay inside the text depend on its language alone: their mask is kept with the vocabulary. Those
// that may end it are few.
#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/json.h"
#include "grammar/compile.h"
#include "grammar/matcher.h"

namespace tessera::grammar {
namespace {

// A place inside a text takes an eighth of what one takes that the automaton reads.
constexpr std::int64_t kPlacesPerFuel = 8;

// Inside a text, at some depth of the trie.
struct Inside {
  Language::State state = 0;
  std::uint32_t count = 0;
  std::uint32_t code_point = 0;  // its leading bits
  std::uint8_t more = 0;         // bytes of it to come
  std::uint32_t least = 0;       // what it must not be below
};

// Reads a leading byte of UTF-8.
bool begin_character(std::uint8_t byte, Inside& at) {
  if (byte >= 0xC2 && byte <= 0xDF) {
    at.more = 1;
    at.least = 0x80;
    at.code_point = byte & 0x1Fu;
  } else if (byte >= 0xE0 && byte <= 0xEF) {
    at.more = 2;
    at.least = 0x800;
    at.code_point = byte & 0x0Fu;
  } else if (byte >= 0xF0 && byte <= 0xF4) {
    at.more = 3;
    at.least = 0x10000;
    at.code_point = byte & 0x07u;
  } else {
    return false;
  }
  return true;
}

// What the character can still become is a range; false when nothing of it can come.
bool may_become(const Inside& at, const StringAlt& string) {
  const std::uint32_t open = 6u * at.more;
  const std::uint32_t low = std::max(at.code_point << open, at.least);
  const std::uint32_t high = std::min(at.code_point << open | ((1u << open) - 1), kMaxCodePoint);
  if (low > high || at.count >= string.max) return false;
  const std::uint32_t left = string.max == kUnbounded ? kUnbounded - 1 : string.max - at.count - 1;
  return string.language->can_step_within(at.state, low, high, left);
}

bool read_character(std::uint32_t code_point, Inside& at, const StringAlt& string) {
  if (at.count >= string.max) return false;
  at.state = string.language->next(at.state, code_point);
  if (at.state == Language::kDead) return false;
  if (string.max == kUnbounded) {
    if (at.count < string.min) ++at.count;
    return true;
  }
  ++at.count;
  return string.language->shortest(at.state) <= string.max - at.count;
}

}  // namespace

bool Matcher::fill_text(const Thread& thread, std::span<std::uint32_t> words) {
  if (thread.part != 0) return false;
  const bool key = thread.phase == Phase::kFreeKey;
  const bool raw = thread.phase == Phase::kRaw;
  if (thread.phase != Phase::kString && !raw && !key) return false;
  StringAlt string;
  Thread inner;  // without what is around the text
  inner.phase = raw ? Phase::kRaw : Phase::kString;
  if (key) {
    string.language = machine_.region_language(thread);
    // Else keys that were used may forbid characters.
    if (!string.language->is_endless()) return false;
    inner.state = thread.state;
  } else {
    string = machine_.grammar().strings[thread.alt];
    inner.alt = thread.alt;
    inner.state = thread.state;
    inner.count = thread.count;
  }
  const char separator = raw ? '\n' : '"';
  // How much room there is; more than a token's length is as good as any, if the text may end
  // anywhere.
  std::uint32_t left = string.max == kUnbounded ? kUnbounded : string.max - inner.count;
  if (string.language->is_any()) left = std::min(left, vocabulary_->longest());
  std::uint64_t hash = string.language->hash() + (raw ? 1u : 0u);
  for (const std::uint64_t word : {std::uint64_t{inner.state}, std::uint64_t{left}}) {
    hash = (hash ^ word) * 0xD1B54A32D192ED03u;
    hash ^= hash >> 29;
  }
  Vocabulary::Mask mask = vocabulary_->find_mask(hash);
  if (mask == nullptr) {
    std::vector<std::uint32_t> fresh(words.size(), 0);
    // A free key's characters are those of a string; its escapes are read by the key itself.
    walk_text(vocabulary_->without(separator), key ? thread : inner, string, fresh);
    if (fuel_ < 0) return true;  // not whole
    mask = std::make_shared<const std::vector<std::uint32_t>>(std::move(fresh));
    vocabulary_->keep_mask(hash, mask);
  }
  for (std::size_t i = 0; i < words.size(); ++i) words[i] |= (*mask)[i];
  if (key) {
    const Vocabulary::Trie& crossing = vocabulary_->with(separator);
    levels_[0].assign(1, thread);
    walk(crossing, 0, static_cast<std::uint32_t>(crossing.size()), words);
  } else {
    walk_text(vocabulary_->with(separator), thread, string, words);
  }
  return true;
}

void Matcher::walk_text(const Vocabulary::Trie& trie, const Thread& thread, const StringAlt& string,
                        std::span<std::uint32_t> words) {
  const bool raw = thread.phase == Phase::kRaw;
  std::array<Inside, 256> levels;
  const bool key = thread.phase == Phase::kFreeKey;
  levels[0] = {thread.state, key ? 0 : thread.count, 0, 0, 0};
  std::int64_t looked_at = 0;
  for (std::uint32_t i = 0; i < trie.size();) {
    ++looked_at;
    const Vocabulary::Node& node = trie[i];
    const std::uint8_t byte = node.byte;
    Inside at = levels[node.depth];
    bool lives = true;
    if (at.more != 0) {
      lives = (byte & 0xC0) == 0x80;
      --at.more;
      at.code_point = at.code_point << 6 | (byte & 0x3Fu);
      if (lives && at.more == 0) {
        const std::uint32_t c = at.code_point;
        lives = c >= at.least && c <= kMaxCodePoint && (c < 0xD800 || c > 0xDFFF) &&
                read_character(c, at, string);
      } else if (lives) {
        lives = may_become(at, string);
      }
    } else if (byte >= 0x80) {
      lives = begin_character(byte, at) && may_become(at, string);
    } else if (raw ? byte == '\n' : byte == '"' || byte == '\\') {
      Thread here = thread;
      here.state = at.state;
      if (!key) here.count = at.count;
      levels_[node.depth].assign(1, here);
      walk(trie, i, node.end, words);
      i = node.end;
      continue;
    } else {
      lives = (raw || byte >= 0x20) && read_character(byte, at, string);
    }
    if (!lives) {
      i = node.end;
      continue;
    }
    levels[node.depth + 1u] = at;
    set_tokens(node, words);
    ++i;
  }
  fuel_ -= looked_at / kPlacesPerFuel;
}

void warm_up(const VocabularyPtr& vocabulary) {
  std::vector<std::uint32_t> words(vocabulary->mask_words());
  json::Object string;
  string.set("type", "string");
  const json::Value schema(string);
  json::Object properties;
  properties.set("text", schema);
  json::Object parameters;
  parameters.set("properties", std::move(properties));
  json::Object function;
  function.set("name", "f");
  function.set("parameters", std::move(parameters));
  const json::Value tool(std::move(function));
  ToolRules rules;
  rules.functions.push_back(&tool);
  rules.required = true;
  const auto text = compile_schema(schema);
  const auto call = compile_tools(rules);
  CHECK(text && call);
  Matcher inside(*text, vocabulary);
  CHECK(inside.accept_bytes("\""));
  inside.fill_mask(words);
  Matcher raw(*call, vocabulary);
  CHECK(raw.accept_symbol(kCallOpen) && raw.accept_bytes("\n<function=f>\n<parameter=text>\n"));
  raw.fill_mask(words);  // at the beginning of a line
  CHECK(raw.accept_bytes("x"));
  raw.fill_mask(words);
}

}  // namespace tessera::grammar
