#include "grammar/regex_parser.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "grammar/char_property.h"
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
    parse_flags();
    const bool ascii = std::all_of(text_.begin(), text_.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (fold_ && !(ascii && text_.find("\\p") == std::string_view::npos &&
                   text_.find("\\P") == std::string_view::npos &&
                   text_.find("\\u") == std::string_view::npos &&
                   text_.find("\\x") == std::string_view::npos)) {
      return unsupported("(?i) with characters beyond ASCII");
    }
    TRY_ASSIGN(RegexNode node, parse_choice(0));
    if (at_ != text_.size()) return invalid("unmatched )");
    return node;
  }

 private:
  // (?i) and (?s) in front of all: no ECMA-262, but what their authors mean is clear.
  void parse_flags() {
    const std::size_t end = text_.starts_with("(?") ? text_.find(')') : std::string_view::npos;
    if (end == std::string_view::npos) return;
    const std::string_view flags = text_.substr(2, end - 2);
    if (flags.empty() || flags.find_first_not_of("is") != std::string_view::npos) return;
    fold_ = flags.find('i') != std::string_view::npos;
    dot_is_any_ = flags.find('s') != std::string_view::npos;
    at_ = end + 1;
  }

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
      assertion = is_look(node);
    } else if (eat("\\A")) {  // as most other dialects have them
      node.kind = Kind::kBegin;
      assertion = true;
    } else if (eat("\\Z") || eat("\\z")) {
      node.kind = Kind::kEnd;
      assertion = true;
    } else if (eat("\\b")) {
      node = word_boundary(true);
      assertion = true;
    } else if (eat("\\B")) {
      node = word_boundary(false);
      assertion = true;
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
    } else if (eat("?<=")) {
      look.kind = Kind::kLookBehind;
    } else if (eat("?<!")) {
      look.kind = Kind::kLookBehind;
      look.negative = true;
    } else if (eat("?<") || eat("?P<")) {
      const std::size_t end = text_.find('>', at_);
      if (end == std::string_view::npos || end == at_) return invalid("a group without a name");
      at_ = end + 1;
    } else if (peek() == '?') {
      return invalid("unknown kind of group");
    }
    TRY_ASSIGN(RegexNode inner, parse_choice(depth + 1));
    if (!eat(")")) return invalid("missing )");
    if (!is_look(look)) return inner;
    look.children.push_back(std::move(inner));
    return look;
  }

  Parsed parse_atom() {
    const char c = peek();
    if (c == '.') {
      ++at_;
      return set_node(dot_is_any_ ? CharSet{{0, kMaxCodePoint}} : line_terminators().complement());
    }
    if (c == '[') {
      ++at_;
      return parse_class();
    }
    if (c == '\\') {
      ++at_;
      TRY_ASSIGN(CharSet set, parse_escape());
      return set_node(folded(std::move(set)));
    }
    if (at_repeat()) return invalid("nothing to repeat");
    const std::uint32_t code_point = next_code_point(text_, at_);
    return set_node(folded(CharSet{{code_point, code_point}}));
  }

  static bool is_look(const RegexNode& node) {
    return node.kind == Kind::kLookAhead || node.kind == Kind::kLookBehind;
  }

  // \b: a word character on one side alone; \B: on both, or on none.
  static RegexNode word_boundary(bool boundary) {
    const auto look = [](Kind kind, bool negative) {
      RegexNode node;
      node.kind = kind;
      node.negative = negative;
      node.children.push_back(set_node(word_characters()));
      return node;
    };
    RegexNode choice;
    choice.kind = Kind::kChoice;
    for (const bool before : {true, false}) {
      RegexNode sequence;
      sequence.kind = Kind::kSequence;
      sequence.children.push_back(look(Kind::kLookBehind, !before));
      sequence.children.push_back(look(Kind::kLookAhead, before == boundary));
      choice.children.push_back(std::move(sequence));
    }
    return choice;
  }

  // With both cases of each ASCII letter, and of the two other characters that fold to some.
  CharSet folded(CharSet set) const {
    if (!fold_) return set;
    CharSet out = set;
    for (const auto& [low, high] : set.intervals()) {
      for (std::uint32_t c = 'a'; c <= 'z'; ++c) {
        const std::uint32_t upper = c - 32;
        const std::uint32_t third = c == 'k' ? 0x212A : c == 's' ? 0x17F : c;
        const bool in = (c >= low && c <= high) || (upper >= low && upper <= high);
        if (!in) continue;
        for (const std::uint32_t one : {c, upper, third}) out.add(one, one);
      }
    }
    return out;
  }

  Result<CharSet, GrammarError> parse_property(bool complement) {
    const std::size_t end = eat("{") ? text_.find('}', at_) : std::string_view::npos;
    if (end == std::string_view::npos) return invalid("\\p without a property");
    const std::string name(text_.substr(at_, end - at_));
    auto set = property_set(name);
    if (!set) return unsupported("\\p{" + name + "}");
    at_ = end + 1;
    budget_.spend(2000);
    return complement ? set->complement() : *std::move(set);
  }

  // After the backslash. A set of one for characters.
  Result<CharSet, GrammarError> parse_escape() {
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
        return parse_property(c == 'P');
      case 'b':
        return one('\b');  // in a class; elsewhere it is no character
      case 'k':
        return unsupported("a back reference");
      default:
        break;
    }
    if (c == '0') return one(0);
    if (c >= '1' && c <= '9') return unsupported("a back reference");
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
    set = folded(std::move(set));
    return set_node(negative ? set.complement() : std::move(set));
  }

  Result<CharSet, GrammarError> parse_class_atom() {
    if (eat("\\")) return parse_escape();
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
    if (assertion && !is_look(node)) return invalid("an assertion cannot be repeated");
    eat("?");  // lazy: the same language
    if (at_repeat()) return invalid("nothing to repeat");
    repeat.children.push_back(std::move(node));
    return repeat;
  }

  std::string_view text_;
  Budget& budget_;
  std::size_t at_ = 0;
  bool fold_ = false;        // upper and lower case are alike
  bool dot_is_any_ = false;  // line terminators included
};

}  // namespace

Parsed parse_regex(std::string_view pattern, Budget& budget) {
  return Parser(pattern, budget).parse();
}

bool take_copy(const RegexNode& tree, Budget& budget) {
  if (!budget.spend(10) || !budget.take(sizeof(RegexNode) + 64)) return false;
  return std::all_of(tree.children.begin(), tree.children.end(),
                     [&](const RegexNode& child) { return take_copy(child, budget); });
}

namespace {

// A longer repeat is shortened to this.
constexpr std::uint32_t kShortRepeat = 32;

bool has_assertion(const RegexNode& node) {
  return node.kind == RegexNode::Kind::kBegin || node.kind == RegexNode::Kind::kEnd ||
         node.kind == RegexNode::Kind::kLookAhead || node.kind == RegexNode::Kind::kLookBehind ||
         std::any_of(node.children.begin(), node.children.end(), has_assertion);
}

}  // namespace

void trim_edge(RegexNode& node, bool first) {
  if (node.kind == RegexNode::Kind::kChoice) {
    for (RegexNode& child : node.children) trim_edge(child, first);
  } else if (node.kind == RegexNode::Kind::kSequence) {
    while (!node.children.empty()) {
      RegexNode& edge = first ? node.children.front() : node.children.back();
      trim_edge(edge, first);
      if (edge.kind != RegexNode::Kind::kEmpty) return;
      node.children.erase(first ? node.children.begin() : node.children.end() - 1);
    }
    node.kind = RegexNode::Kind::kEmpty;
  } else if (node.kind == RegexNode::Kind::kRepeat && !has_assertion(node.children[0])) {
    node.max = node.min;
    if (node.max == 0) node = RegexNode();
  }
}

bool shorten_repeats(RegexNode& node) {
  if (node.kind == RegexNode::Kind::kLookAhead || node.kind == RegexNode::Kind::kLookBehind)
    return false;
  bool any = node.kind == RegexNode::Kind::kRepeat && node.max != kUnbounded &&
             node.max > node.min && node.max > kShortRepeat;
  if (any) node.max = std::max(node.min, kShortRepeat);
  for (RegexNode& child : node.children) any = shorten_repeats(child) || any;
  return any;
}

}  // namespace tessera::grammar
