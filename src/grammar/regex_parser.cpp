#include "grammar/regex_parser.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "grammar/language.h"

namespace tessera::grammar {
namespace {

using Kind = RegexNode::Kind;
using Parsed = Result<RegexNode, GrammarError>;

constexpr int kMaxDepth = 100;
constexpr std::uint32_t kMaxRepeat = 1'000'000;

RegexNode set_node(CharSet set) {
  RegexNode node;
  node.kind = Kind::kSet;
  node.set = std::move(set);
  return node;
}

class Parser {
 public:
  Parser(std::string_view pattern, Budget& budget) : text_(pattern), budget_(budget) {}

  Parsed parse() {
    TRY_ASSIGN(RegexNode node, parse_choice(0));
    if (at_ != text_.size()) return invalid("unmatched )");
    return node;
  }

 private:
  static Unexpected<GrammarError> invalid(std::string message) {
    return fail(GrammarErrorCode::kInvalidRegex, "invalid pattern: " + message);
  }
  static Unexpected<GrammarError> unsupported(const std::string& what) {
    return fail(GrammarErrorCode::kUnsupportedSchema, "pattern uses " + what);
  }
  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  bool eat(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  Parsed parse_choice(int depth) {
    if (depth > kMaxDepth)
      return fail(GrammarErrorCode::kSchemaTooComplex, "pattern nests too deep");
    RegexNode choice;
    choice.kind = Kind::kChoice;
    do {
      RegexNode sequence;
      sequence.kind = Kind::kSequence;
      while (!at_end() && peek() != '|' && peek() != ')') {
        if (!budget_.spend(20))
          return fail(GrammarErrorCode::kSchemaTooComplex, "pattern is too long");
        TRY_ASSIGN(RegexNode item, parse_item(depth));
        sequence.children.push_back(std::move(item));
      }
      choice.children.push_back(std::move(sequence));
    } while (eat("|"));
    if (choice.children.size() == 1) return std::move(choice.children.front());
    return choice;
  }

  Parsed parse_item(int depth) {
    RegexNode node;
    bool assertion = false;
    if (eat("^")) {
      node.kind = Kind::kBegin;
      assertion = true;
    } else if (eat("$")) {
      node.kind = Kind::kEnd;
      assertion = true;
    } else if (eat("(")) {
      TRY_ASSIGN(node, parse_group(depth));
      assertion = node.kind == Kind::kLookAhead;
    } else {
      TRY_ASSIGN(node, parse_atom());
    }
    return parse_repeat(std::move(node), assertion);
  }

  Parsed parse_group(int depth) {
    RegexNode look;
    if (eat("?:")) {
    } else if (eat("?=")) {
      look.kind = Kind::kLookAhead;
    } else if (eat("?!")) {
      look.kind = Kind::kLookAhead;
      look.negative = true;
    } else if (eat("?<=") || eat("?<!")) {
      return unsupported("look-behind");
    } else if (eat("?<")) {
      const std::size_t end = text_.find('>', at_);
      if (end == std::string_view::npos || end == at_) return invalid("a group without a name");
      at_ = end + 1;
    } else if (peek() == '?') {
      return invalid("unknown kind of group");
    }
    TRY_ASSIGN(RegexNode inner, parse_choice(depth + 1));
    if (!eat(")")) return invalid("missing )");
    if (look.kind != Kind::kLookAhead) return inner;
    look.children.push_back(std::move(inner));
    return look;
  }

  Parsed parse_atom() {
    const char c = peek();
    if (c == '.') {
      ++at_;
      return set_node(line_terminators().complement());
    }
    if (c == '[') {
      ++at_;
      return parse_class();
    }
    if (c == '\\') {
      ++at_;
      TRY_ASSIGN(CharSet set, parse_escape(false));
      return set_node(std::move(set));
    }
    if (at_repeat()) return invalid("nothing to repeat");
    const std::uint32_t code_point = next_code_point(text_, at_);
    return set_node(CharSet{{code_point, code_point}});
  }

  // After the backslash. A set of one for characters.
  Result<CharSet, GrammarError> parse_escape(bool in_class) {
    if (at_end()) return invalid("it ends in a backslash");
    const std::uint32_t c = next_code_point(text_, at_);
    const auto one = [](std::uint32_t x) { return CharSet{{x, x}}; };
    switch (c) {
      case 'd':
        return digits();
      case 'D':
        return digits().complement();
      case 'w':
        return word_characters();
      case 'W':
        return word_characters().complement();
      case 's':
        return white_space();
      case 'S':
        return white_space().complement();
      case 't':
        return one('\t');
      case 'n':
        return one('\n');
      case 'v':
        return one('\v');
      case 'f':
        return one('\f');
      case 'r':
        return one('\r');
      case 'a':
        return one('\a');
      case 'e':
        return one(0x1B);
      case 'x':
        return parse_hex(2);
      case 'u':
        return parse_unicode();
      case 'c': {
        if (at_end() || !((peek() | 32) >= 'a' && (peek() | 32) <= 'z'))
          return invalid("\\c without a letter");
        return one(static_cast<std::uint32_t>(text_[at_++]) % 32);
      }
      case 'p':
      case 'P':
        return unsupported("\\p{...}");
      case 'b':
        if (in_class) return one('\b');
        return unsupported("\\b");
      case 'B':
        return unsupported("\\B");
      case 'k':
        return unsupported("a back reference");
      default:
        break;
    }
    if (c == '0') return one(0);
    if (c >= '1' && c <= '9') return unsupported("a back reference");
    if (c == 'A' && !in_class) return unsupported("\\A");
    if (c == 'Z' || c == 'z') return unsupported("\\Z");
    return one(c);
  }

  std::optional<std::uint32_t> hex(std::size_t count) {
    if (text_.size() - at_ < count || count == 0 || count > 6) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const char c = text_[at_ + i];
      const char low = static_cast<char>(c | 32);
      if (c >= '0' && c <= '9') {
        value = value * 16 + static_cast<std::uint32_t>(c - '0');
      } else if (low >= 'a' && low <= 'f') {
        value = value * 16 + static_cast<std::uint32_t>(low - 'a' + 10);
      } else {
        return std::nullopt;
      }
    }
    at_ += count;
    return value;
  }

  Result<CharSet, GrammarError> parse_hex(std::size_t count) {
    const auto value = hex(count);
    if (!value || *value > kMaxCodePoint) return invalid("a bad hexadecimal escape");
    return CharSet{{*value, *value}};
  }

  Result<CharSet, GrammarError> parse_unicode() {
    if (eat("{")) {
      const std::size_t end = text_.find('}', at_);
      if (end == std::string_view::npos) return invalid("a bad \\u{...}");
      auto set = parse_hex(end - at_);
      if (set) ++at_;
      return set;
    }
    const auto first = hex(4);
    if (!first) return invalid("a bad \\u escape");
    std::uint32_t value = *first;
    const std::size_t before = at_;
    if (value >= 0xD800 && value < 0xDC00 && eat("\\u")) {
      const auto second = hex(4);
      if (second && *second >= 0xDC00 && *second < 0xE000) {
        value = 0x10000 + ((value - 0xD800) << 10) + (*second - 0xDC00);
      } else {
        at_ = before;
      }
    }
    return CharSet{{value, value}};
  }

  Parsed parse_class() {
    const bool negative = eat("^");
    CharSet set;
    while (!eat("]")) {
      if (at_end()) return invalid("missing ]");
      if (!budget_.spend(20))
        return fail(GrammarErrorCode::kSchemaTooComplex, "pattern is too long");
      TRY_ASSIGN(const CharSet low, parse_class_atom());
      const bool range = peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']';
      if (!range) {
        set.add(low);
        continue;
      }
      ++at_;
      TRY_ASSIGN(const CharSet high, parse_class_atom());
      const auto a = low.intervals();
      const auto b = high.intervals();
      const bool points =
          a.size() == 1 && b.size() == 1 && a[0].first == a[0].second && b[0].first == b[0].second;
      if (!points) {  // [\w-.]: the hyphen stands for itself
        set.add(low);
        set.add(high);
        set.add('-', '-');
        continue;
      }
      if (a[0].first > b[0].first) return invalid("a range out of order");
      set.add(a[0].first, b[0].first);
    }
    return set_node(negative ? set.complement() : std::move(set));
  }

  Result<CharSet, GrammarError> parse_class_atom() {
    if (eat("\\")) return parse_escape(true);
    if (at_end()) return invalid("missing ]");
    const std::uint32_t c = next_code_point(text_, at_);
    return CharSet{{c, c}};
  }

  // A repeat stands here: *, +, ? or {1}, {1,} and {1,2}. Other braces stand for themselves.
  bool at_repeat() {
    if (peek() == '*' || peek() == '+' || peek() == '?') return true;
    const std::size_t before = at_;
    bool braces = eat("{") && number();
    if (braces && eat(",")) number();
    braces = braces && eat("}");
    at_ = before;
    return braces;
  }

  std::optional<std::uint32_t> number() {
    const std::size_t begin = at_;
    std::uint32_t value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = std::min(kMaxRepeat + 1, value * 10 + static_cast<std::uint32_t>(text_[at_++] - '0'));
    }
    if (at_ == begin) return std::nullopt;
    return value;
  }

  Parsed parse_repeat(RegexNode node, bool assertion) {
    RegexNode repeat;
    repeat.kind = Kind::kRepeat;
    repeat.max = kUnbounded;
    if (eat("*")) {
    } else if (eat("+")) {
      repeat.min = 1;
    } else if (eat("?")) {
      repeat.max = 1;
    } else if (peek() == '{') {
      const std::size_t before = at_++;
      const auto min = number();
      std::optional<std::uint32_t> max = min;
      if (eat(",")) max = peek() == '}' ? kUnbounded : number();
      if (!min || !max || !eat("}")) {  // a brace that stands for itself, as without the u flag
        at_ = before;
        return node;
      }
      if (*min > kMaxRepeat || (*max > kMaxRepeat && *max != kUnbounded)) {
        return fail(GrammarErrorCode::kSchemaTooComplex, "pattern repeats too often");
      }
      if (*min > *max) return invalid("a repeat whose minimum is over its maximum");
      repeat.min = *min;
      repeat.max = *max;
    } else {
      return node;
    }
    if (assertion) return invalid("an assertion cannot be repeated");
    eat("?");  // lazy: the same language
    if (at_repeat()) return invalid("nothing to repeat");
    repeat.children.push_back(std::move(node));
    return repeat;
  }

  std::string_view text_;
  Budget& budget_;
  std::size_t at_ = 0;
};

}  // namespace

Parsed parse_regex(std::string_view pattern, Budget& budget) {
  return Parser(pattern, budget).parse();
}

}  // namespace tessera::grammar
