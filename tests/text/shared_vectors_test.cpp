// The tokenizer against what others' implementations gave for the full Qwen2.5/Qwen3 vocabulary and
// for Qwen3.6's. All of it is read from ../shared and skipped where that is absent; the project's
// own data: fixture_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/byte_alphabet.h"
#include "text/nfc.h"
#include "text/pre_tokenizer.h"
#include "vocabulary_files.h"

namespace tessera::text {
namespace {

const std::string kFolder = "../shared/data/";

#define SKIP_WITHOUT_SHARED(file)                                             \
  if (!std::filesystem::exists(kFolder + (file))) {                           \
    GTEST_SKIP() << kFolder + (file) << " is absent: not checked against it"; \
  }

const VocabularyFile& qwen3_vocabulary() {
  static const VocabularyFile kFile = [] {
    auto file = read_rank_file(kFolder + "qwen2_5-qwen3.vocab.quicktok.bin",
                               {"<|endoftext|>", "<|im_start|>", "<|im_end|>"});
    EXPECT_TRUE(file) << file.error().message;
    return *std::move(file);
  }();
  return kFile;
}

std::shared_ptr<const Tokenizer> qwen3_tokenizer(PreTokenizer pre, bool nfc) {
  auto tokenizer = Tokenizer::create(qwen3_vocabulary().data(pre, nfc));
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return *std::move(tokenizer);
}

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find(separator, begin)) != std::string::npos;) {
    parts.push_back(text.substr(begin, end - begin));
    begin = end + separator.size();
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::vector<TokenId> parse_ids(std::string_view line) {
  std::vector<TokenId> ids;
  for (const char* p = line.data(); p < line.data() + line.size();) {
    TokenId id = 0;
    const auto [end, error] = std::from_chars(p, line.data() + line.size(), id);
    if (error == std::errc()) ids.push_back(id);
    p = error == std::errc() ? end : p + 1;
  }
  return ids;
}

// The cases of one of llama.cpp's vocabulary tests; that project does not normalise.
void expect_llama_vectors(const std::string& name, PreTokenizer pre, std::size_t count) {
  const auto texts_file = read_file(kFolder + "ggml-vocab-" + name + ".gguf.inp");
  const auto ids_file = read_file(kFolder + "ggml-vocab-" + name + ".gguf.out");
  ASSERT_TRUE(texts_file && ids_file);
  const std::vector<std::string> texts = split(*texts_file, "\n__ggml_vocab_test__\n");
  const std::vector<std::string> lines = split(*ids_file, "\n");
  ASSERT_GE(texts.size(), count);
  ASSERT_GE(lines.size(), count);
  const auto tokenizer = qwen3_tokenizer(pre, false);
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<TokenId> ids;
    tokenizer->encode_text(texts[i], ids);
    EXPECT_EQ(ids, parse_ids(lines[i])) << name << ", case " << i << ": " << texts[i];
    EXPECT_EQ(tokenizer->decode(ids), texts[i]);
  }
  for (std::size_t i = count; i < texts.size(); ++i) EXPECT_EQ(texts[i], "");
}

TEST(SharedVectors, Qwen2) {
  SKIP_WITHOUT_SHARED("ggml-vocab-qwen2.gguf.inp");
  expect_llama_vectors("qwen2", PreTokenizer::kQwen2, 46);
}

TEST(SharedVectors, Qwen35) {
  SKIP_WITHOUT_SHARED("ggml-vocab-qwen35.gguf.inp");
  expect_llama_vectors("qwen35", PreTokenizer::kQwen35, 50);
}

// Each token of Qwen3.6's own vocabulary was found inside one pre-token of normalised text.
TEST(SharedVectors, TokensOfTheRealVocabularyAreOnePreToken) {
  SKIP_WITHOUT_SHARED("qwen35_id_text_pairs.tsv");
  const auto file = read_file(kFolder + "qwen35_id_text_pairs.tsv");
  ASSERT_TRUE(file);
  const auto splitter = PreTokenSplitter::create(PreTokenizer::kQwen35);
  ASSERT_TRUE(splitter);
  std::size_t count = 0;
  for (const std::string& line : split(*file, "\n")) {
    if (line.empty()) continue;
    const auto text = json::parse(std::string_view(line).substr(line.find('\t') + 1));
    ASSERT_TRUE(text && text->if_string() != nullptr) << line;
    const std::string& token = *text->if_string();
    std::string buffer;
    EXPECT_EQ((*splitter)->find_end(token, 0), token.size()) << line;
    EXPECT_EQ(to_nfc(token, buffer), token) << line;
    ++count;
  }
  EXPECT_EQ(count, 12'043u);
}

// What is known of Qwen3.6's tokens without its file: the bytes (ids 0 to 255, in the alphabet's
// order), the added tokens, and those of the list of pairs.
std::map<TokenId, std::string> known_tokens() {
  std::map<TokenId, std::string> tokens;
  std::map<char32_t, std::string> bytes;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    bytes[byte_alphabet()[byte]] = std::string(1, static_cast<char>(byte));
  }
  TokenId next = 0;
  for (const auto& [code_point, byte] : bytes) tokens[next++] = byte;
  const auto pairs = read_file(kFolder + "qwen35_id_text_pairs.tsv");
  EXPECT_TRUE(pairs);
  for (const std::string& line : split(*pairs, "\n")) {
    if (line.empty()) continue;
    const auto text = json::parse(std::string_view(line).substr(line.find('\t') + 1));
    tokens[parse_ids(line.substr(0, line.find('\t'))).at(0)] = *text->if_string();
  }
  return tokens;
}

// May `ids` be the tokens of `text`? Known ones stand for their text; each unknown one for one byte
// or more.
bool may_spell(const std::map<TokenId, std::string>& known, std::span<const TokenId> ids,
               std::string_view text) {
  std::vector<bool> reachable(text.size() + 1, false);  // offsets that the ids so far may end at
  reachable[0] = true;
  for (const TokenId id : ids) {
    std::vector<bool> next(text.size() + 1, false);
    const auto it = known.find(id);
    for (std::size_t from = 0; from < text.size(); ++from) {
      if (!reachable[from]) continue;
      if (it == known.end()) {
        std::fill(next.begin() + static_cast<std::ptrdiff_t>(from) + 1, next.end(), true);
      } else if (text.substr(from).starts_with(it->second)) {
        next[from + it->second.size()] = true;
      }
    }
    reachable = next;
  }
  return reachable[text.size()];
}

struct Known {
  std::map<TokenId, std::string> tokens;
  std::map<std::string, TokenId> words;  // pre-tokens that are one token
};

// Can `ids` be dealt out over `pieces`, at least one for each? What follows from that for single
// tokens goes into `known`; false also when it contradicts what is there.
bool deal_out(const std::vector<std::string>& pieces, const std::vector<TokenId>& ids,
              Known& known) {
  const std::size_t n = pieces.size();
  const std::size_t m = ids.size();
  using Grid = std::vector<std::vector<bool>>;
  const auto fits = [&](std::size_t piece, std::size_t from, std::size_t to) {
    return to - from <= pieces[piece].size() &&
           may_spell(known.tokens, std::span(ids).subspan(from, to - from), pieces[piece]);
  };
  Grid forward(n + 1, std::vector<bool>(m + 1, false));  // [pieces done][ids used]
  Grid backward = forward;
  forward[0][0] = true;
  backward[n][m] = true;
  for (std::size_t p = 0; p < n; ++p) {
    for (std::size_t from = 0; from < m; ++from) {
      for (std::size_t to = from + 1; forward[p][from] && to <= m; ++to) {
        if (fits(p, from, to)) forward[p + 1][to] = true;
      }
    }
  }
  for (std::size_t p = n; p-- > 0;) {
    for (std::size_t to = 1; to <= m; ++to) {
      for (std::size_t from = 0; backward[p + 1][to] && from < to; ++from) {
        if (forward[p][from] && fits(p, from, to)) backward[p][from] = true;
      }
    }
  }
  for (std::size_t p = 0; p < n; ++p) {
    std::vector<std::pair<std::size_t, std::size_t>> ways;
    for (std::size_t from = 0; from < m; ++from) {
      for (std::size_t to = from + 1; to <= m; ++to) {
        if (forward[p][from] && backward[p + 1][to] && fits(p, from, to))
          ways.emplace_back(from, to);
      }
    }
    if (ways.empty()) return false;
    if (ways.size() > 1 || ways[0].second - ways[0].first != 1) continue;
    const TokenId id = ids[ways[0].first];
    if (known.tokens.try_emplace(id, pieces[p]).first->second != pieces[p]) return false;
    if (known.words.try_emplace(pieces[p], id).first->second != id) return false;
  }
  return n > 0 || m == 0;
}

// The text cut at added tokens, normalised (or not), cut into pre-tokens.
std::vector<std::string> pieces_of(const AddedTokens& added, std::string_view text,
                                   bool normalise) {
  const auto splitter = *PreTokenSplitter::create(PreTokenizer::kQwen35);
  std::vector<std::string> pieces;
  const auto add_text = [&](std::string_view part) {
    std::string buffer;
    const std::string_view normal = normalise ? to_nfc(part, buffer) : part;
    for (std::size_t begin = 0; begin < normal.size();) {
      const std::size_t end = splitter->find_end(normal, begin);
      pieces.emplace_back(normal.substr(begin, end - begin));
      begin = end;
    }
  };
  std::size_t done = 0;
  for (const AddedTokens::Match& match : added.find(text)) {
    add_text(text.substr(done, match.begin - done));
    pieces.emplace_back(text.substr(match.begin, match.end - match.begin));
    done = match.end;
  }
  add_text(text.substr(done));
  return pieces;
}

// Most of Qwen3.6's vocabulary is not in ../shared, so its 60 vectors cannot be encoded. But their
// ids must be such that they can be dealt out over our pre-tokens, with the texts of the ids that
// are known, and with each unknown id having one text in all of them.
TEST(SharedVectors, IdsOfTheRealTokenizerFitOurPreTokens) {
  SKIP_WITHOUT_SHARED("qwen36_tokenizer_vectors.json");
  const auto vectors = read_json_file(kFolder + "qwen36_tokenizer_vectors.json");
  const auto specials = read_json_file(kFolder + "qwen36_special_tokens.json");
  ASSERT_TRUE(vectors && specials);
  Known known{known_tokens(), {}};
  std::vector<AddedTokens::Literal> literals;
  for (const json::Value& special : *specials->if_array()) {
    const auto id = static_cast<TokenId>(special.find("id")->as_int64().value_or(-1));
    literals.push_back({*special.find("content")->if_string(), id});
    known.tokens[id] = literals.back().text;
  }
  const AddedTokens added(literals);
  ASSERT_EQ(vectors->if_array()->size(), 60u);
  for (int round = 0; round < 3; ++round) {  // what one vector teaches, the next round uses on all
    for (const json::Value& vector : *vectors->if_array()) {
      const std::string& text = *vector.find("text")->if_string();
      std::vector<TokenId> ids;
      for (const json::Value& id : *vector.find("ids")->if_array()) {
        ids.push_back(static_cast<TokenId>(id.as_int64().value_or(-1)));
      }
      const auto pieces = pieces_of(added, text, *vector.find("nfc_applied")->if_bool());
      EXPECT_TRUE(deal_out(pieces, ids, known)) << text;
    }
  }
  EXPECT_GT(known.words.size(), 100u);  // else this proved little
  RecordProperty("words", static_cast<int>(known.words.size()));
}

}  // namespace
}  // namespace tessera::text
