#include "grammar/lark_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/utf8.h"
#include "grammar/language.h"
#include "grammar/lark_terminals.h"

namespace tessera::grammar {
namespace {

using Kind = LarkNode::Kind;
using Parsed = Result<LarkNode, GrammarError>;
using Text = Result<RegexNode, GrammarError>;

constexpr int kMaxDepth = 100;
constexpr std::uint32_t kMaxRepeat = 10'000;
// A node with what belongs to it, as the budget counts it.
constexpr std::size_t kNodeBytes = sizeof(LarkNode) + 64;

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_terminal(std::string_view name) {
  const std::size_t at = name.find_first_not_of('_');
  return at != std::string_view::npos && name[at] >= 'A' && name[at] <= 'Z';
}

class Parser {
 public:
  Parser(std::string_view text, Budget& budget) : text_(text), budget_(budget) {}

  Result<LarkGrammar, GrammarError> parse() {
    while (true) {
      skip_blank(true);
      if (at_end()) break;
      TRY(parse_statement());
    }
    return resolve();
  }

 private:
  struct Definition {
    bool there = false;
    LarkNode body;
    std::size_t line = 1;
    std::optional<RegexNode> text;  // of a terminal, once it is known
    bool open = false;              // being worked out
  };

  Unexpected<GrammarError> fail_at(GrammarErrorCode code, std::string_view message) const {
    return fail(code, fmt::format("line {}: {}", line_, message));
  }
  Unexpected<GrammarError> invalid(std::string_view message) const {
    return fail_at(GrammarErrorCode::kInvalidGrammar, message);
  }
  Unexpected<GrammarError> unsupported(std::string_view what) const {
    return fail_at(GrammarErrorCode::kUnsupportedGrammar,
                   fmt::format("{} cannot be enforced", what));
  }
  Unexpected<GrammarError> too_complex() const {
    return fail_at(GrammarErrorCode::kSchemaTooComplex, "the grammar is too complex");
  }

  bool at_end() const { return at_ == text_.size(); }
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool eat(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  // Blanks and comments, and newlines where they mean nothing.
  void skip_blank(bool newlines) {
    while (!at_end()) {
      const char c = peek();
      if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || (newlines && c == '\n')) {
        line_ += c == '\n';
        ++at_;
      } else if (c == '#' || (c == '/' && peek(1) == '/')) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else {
        return;
      }
    }
  }
  // In front of what goes on with a definition; a line that begins with | does.
  void skip_inside(int depth) {
    skip_blank(depth > 0);
    if (depth > 0 || peek() != '\n') return;
    const std::size_t before = at_;
    const std::size_t line = line_;
    skip_blank(true);
    if (peek() == '|') return;
    at_ = before;
    line_ = line;
  }
  std::string_view name() {
    const std::size_t begin = at_;
    while (is_name(peek())) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  std::uint32_t number_of(std::string_view name) {
    const auto [found, fresh] =
        numbers_.emplace(std::string(name), static_cast<std::uint32_t>(names_.size()));
    if (fresh) {
      budget_.take(name.size() * 2 + sizeof(Definition) + 200);
      names_.emplace_back(name);
      definitions_.emplace_back();
    }
    return found->second;
  }
  Result<Definition*, GrammarError> define(std::string_view name) {
    Definition& made = definitions_[number_of(name)];
    if (made.there) return invalid(fmt::format("'{}' is defined twice", name));
    made.there = true;
    made.line = line_;
    return &made;
  }

  Result<void, GrammarError> parse_statement() {
    if (!budget_.spend(20)) return too_complex();
    if (eat("%")) return parse_directive();
    while (eat("?") || eat("!")) {
    }
    const std::string_view word = name();
    if (word.empty()) return invalid("a rule, a terminal or a directive is missing");
    if (peek() == '{') return unsupported("a template");
    if (peek() == '[') return unsupported("an attribute of a rule");
    if (eat(".")) {
      eat("-");
      if (name().empty()) return invalid("a priority is missing");
    }
    skip_blank(false);
    if (!eat(":")) return invalid(fmt::format("a colon is missing behind '{}'", word));
    TRY_ASSIGN(Definition * made, define(word));
    const std::size_t index = static_cast<std::size_t>(made - definitions_.data());
    TRY_ASSIGN(LarkNode body, parse_choice(0));
    definitions_[index].body = std::move(body);
    return end_line();
  }
  Result<void, GrammarError> end_line() {
    skip_blank(false);
    if (at_end() || peek() == '\n') return {};
    return invalid(fmt::format("'{}' is not expected here", peek()));
  }

  Result<void, GrammarError> parse_directive() {
    const std::string_view word = name();
    skip_blank(false);
    if (word == "ignore") {
      TRY_ASSIGN(LarkNode node, parse_choice(0));
      ignored_.push_back(std::move(node));
      return end_line();
    }
    if (word != "import") return unsupported(fmt::format("%{}", word));
    const std::size_t begin = at_;
    while (is_name(peek()) || peek() == '.') ++at_;
    std::string_view path = text_.substr(begin, at_ - begin);
    skip_blank(false);
    if (eat("(")) {
      if (path != "common") return unsupported(fmt::format("an import of '{}'", path));
      do {
        skip_blank(true);
        TRY(import(name(), {}));
        skip_blank(true);
      } while (eat(","));
      if (!eat(")")) return invalid("a ) is missing");
      return end_line();
    }
    if (!path.starts_with("common.")) return unsupported(fmt::format("an import of '{}'", path));
    path.remove_prefix(7);
    std::string_view alias;
    if (eat("->")) {
      skip_blank(false);
      alias = name();
    }
    TRY(import(path, alias));
    return end_line();
  }
  Result<void, GrammarError> import(std::string_view word, std::string_view alias) {
    const std::optional<std::string_view> pattern = common_terminal(word);
    if (!pattern) return unsupported(fmt::format("an import of 'common.{}'", word));
    TRY_ASSIGN(Definition * made, define(alias.empty() ? word : alias));
    const std::size_t index = static_cast<std::size_t>(made - definitions_.data());
    TRY_ASSIGN(definitions_[index].text, parse_regex(*pattern, budget_));
    return {};
  }

  Parsed parse_choice(int depth) {
    if (depth > kMaxDepth) return too_complex();
    LarkNode choice;
    choice.kind = Kind::kChoice;
    do {
      LarkNode sequence;
      for (skip_inside(depth); !ends_sequence(); skip_inside(depth)) {
        if (!budget_.spend(30) || !budget_.take(kNodeBytes)) return too_complex();
        TRY_ASSIGN(LarkNode item, parse_item(depth));
        sequence.children.push_back(std::move(item));
      }
      if (eat("->")) {
        skip_blank(false);
        if (name().empty()) return invalid("the name of an alias is missing");
        skip_inside(depth);
      }
      choice.children.push_back(std::move(sequence));
    } while (eat("|"));
    if (choice.children.size() == 1) return std::move(choice.children.front());
    return choice;
  }
  bool ends_sequence() const {
    const char c = peek();
    return at_end() || c == '\n' || c == '|' || c == ')' || c == ']' ||
           (c == '-' && peek(1) == '>');
  }

  Parsed parse_item(int depth) {
    TRY_ASSIGN(LarkNode item, parse_atom(depth));
    skip_blank(false);
    LarkNode repeat;
    repeat.kind = Kind::kRepeat;
    repeat.max = kUnbounded;
    if (eat("?")) {
      repeat.max = 1;
    } else if (eat("*")) {
    } else if (eat("+")) {
      repeat.min = 1;
    } else if (eat("~")) {
      const auto min = number();
      auto max = min;
      skip_blank(false);
      if (eat("..")) max = number();
      if (!min || !max || *min > *max) return invalid("a bad repeat behind ~");
      if (*max > kMaxRepeat) return too_complex();
      repeat.min = *min;
      repeat.max = *max;
    } else {
      return item;
    }
    repeat.children.push_back(std::move(item));
    return repeat;
  }
  std::optional<std::uint32_t> number() {
    skip_blank(false);
    const std::size_t begin = at_;
    std::uint32_t value = 0;
    while (peek() >= '0' && peek() <= '9')
      value = std::min(kMaxRepeat + 1, value * 10 + static_cast<std::uint32_t>(text_[at_++] - '0'));
    return at_ == begin ? std::nullopt : std::optional(value);
  }

  Parsed parse_atom(int depth) {
    const bool optional = peek() == '[';
    if (optional || peek() == '(') {
      ++at_;
      TRY_ASSIGN(LarkNode inner, parse_choice(depth + 1));
      if (!eat(optional ? "]" : ")")) return invalid("a bracket is not closed");
      if (!optional) return inner;
      LarkNode node;
      node.kind = Kind::kRepeat;
      node.max = 1;
      node.children.push_back(std::move(inner));
      return node;
    }
    LarkNode node;
    node.kind = Kind::kText;
    if (peek() == '"') {
      TRY_ASSIGN(node.text, parse_string());
      return node;
    }
    if (peek() == '/') {
      TRY_ASSIGN(node.text, parse_pattern());
      return node;
    }
    if (peek() == '%') return unsupported("a % inside a rule");
    if (peek() == '<') return unsupported("a special token");
    const std::string_view word = name();
    if (word.empty()) return invalid(fmt::format("'{}' is not expected here", peek()));
    if (peek() == '{') return unsupported("a template");
    node.kind = Kind::kRule;
    node.rule = number_of(word);
    return node;
  }

  // A text in quotes, or a range of two characters.
  Text parse_string() {
    TRY_ASSIGN(const std::vector<std::uint32_t> first, parse_quoted());
    const std::size_t before = at_;
    skip_blank(false);
    if (peek() == '.' && peek(1) == '.') {
      at_ += 2;
      skip_blank(false);
      TRY_ASSIGN(const std::vector<std::uint32_t> last, parse_quoted());
      if (first.size() != 1 || last.size() != 1 || first[0] > last[0])
        return invalid("a range is of two characters in their order");
      return set_node(CharSet{{first[0], last[0]}});
    }
    at_ = before;
    RegexNode text;
    text.kind = RegexNode::Kind::kSequence;
    for (const std::uint32_t c : first) text.children.push_back(set_node(CharSet{{c, c}}));
    if (eat("i")) fold_case(text);
    return text;
  }
  static RegexNode set_node(CharSet set) {
    RegexNode node;
    node.kind = RegexNode::Kind::kSet;
    node.set = std::move(set);
    return node;
  }

  Result<std::vector<std::uint32_t>, GrammarError> parse_quoted() {
    std::vector<std::uint32_t> out;
    if (!eat("\"")) return invalid("a text in quotes is missing");
    while (!eat("\"")) {
      if (at_end() || peek() == '\n') return invalid("a text in quotes is not closed");
      if (!budget_.spend(30) || !budget_.take(sizeof(RegexNode) + 64)) return too_complex();
      const std::uint32_t c = next_code_point(text_, at_);
      if (c != '\\') {
        out.push_back(c);
        continue;
      }
      TRY_ASSIGN(const std::uint32_t escaped, parse_escape());
      out.push_back(escaped);
    }
    return out;
  }
  Result<std::uint32_t, GrammarError> parse_escape() {
    const char c = peek();
    if (c != '\0') ++at_;
    switch (c) {
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'r':
        return '\r';
      case 'f':
        return '\f';
      case '\\':
      case '"':
      case '\'':
      case '/':
        return static_cast<std::uint32_t>(c);
      case 'x':
        return parse_hex(2);
      case 'u':
        return parse_hex(4);
      case 'U':
        return parse_hex(8);
      default:
        return invalid("an unknown escape in a text");
    }
  }
  Result<std::uint32_t, GrammarError> parse_hex(std::size_t digits) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const char c = peek();
      const char low = static_cast<char>(c | 32);
      const bool decimal = c >= '0' && c <= '9';
      if (!decimal && (low < 'a' || low > 'f')) return invalid("a bad escape in a text");
      value = value * 16 + static_cast<std::uint32_t>(decimal ? c - '0' : low - 'a' + 10);
      ++at_;
    }
    const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (value > kMaxCodePoint || surrogate) return invalid("an escape that is no character");
    return value;
  }

  // /pattern/flags
  Text parse_pattern() {
    ++at_;
    std::string pattern;
    bool negated_class = false;
    while (!at_end() && peek() != '/') {
      if (!budget_.spend(10)) return too_complex();
      negated_class |= peek() == '[' && peek(1) == '^';
      if (peek() == '\\' && at_ + 1 < text_.size()) pattern += text_[at_++];
      line_ += peek() == '\n';
      pattern += text_[at_++];
    }
    if (!eat("/")) return invalid("a regular expression is not closed");
    bool fold = false;
    bool all = false;
    for (; is_name(peek()); ++at_) {
      if (peek() == 'i') {
        fold = true;
      } else if (peek() == 's') {
        all = true;
      } else if (peek() != 'u') {
        return unsupported(fmt::format("the flag '{}'", peek()));
      }
    }
    if (fold && negated_class) return unsupported("a negated class with the flag 'i'");
    auto parsed = parse_regex(all ? with_dots_for_all(pattern) : pattern, budget_);
    if (!parsed) {
      const GrammarError& error = parsed.error();
      const bool wanted = error.code == GrammarErrorCode::kUnsupportedSchema;
      return fail_at(wanted ? GrammarErrorCode::kUnsupportedGrammar : error.code, error.message);
    }
    if (has_assertions(*parsed)) return unsupported("an assertion in a regular expression");
    if (fold) fold_case(*parsed);
    return *std::move(parsed);
  }

  // ---------------------------------------------------------------- names to what they stand for

  Result<LarkGrammar, GrammarError> resolve() {
    LarkGrammar grammar;
    std::vector<std::uint32_t> place(names_.size(), 0);
    for (std::size_t i = 0; i < names_.size(); ++i) {
      line_ = definitions_[i].line;
      if (!definitions_[i].there)
        return fail(GrammarErrorCode::kInvalidGrammar,
                    fmt::format("'{}' is not defined", names_[i]));
      if (is_terminal(names_[i])) {
        TRY(terminal(static_cast<std::uint32_t>(i), 0));
        continue;
      }
      place[i] = static_cast<std::uint32_t>(grammar.names.size());
      grammar.names.push_back(names_[i]);
    }
    const auto start = numbers_.find("start");
    if (start == numbers_.end())
      return fail(GrammarErrorCode::kInvalidGrammar, "there is no rule 'start'");
    grammar.start = place[start->second];
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (is_terminal(names_[i])) continue;
      line_ = definitions_[i].line;
      // A common terminal under the name of a rule.
      if (definitions_[i].text) return unsupported("an import under the name of a rule");
      TRY(resolve_rule(definitions_[i].body, place));
      grammar.rules.push_back(std::move(definitions_[i].body));
    }
    for (const LarkNode& node : ignored_) {
      TRY_ASSIGN(RegexNode text, to_text(node, 0));
      grammar.ignored.push_back(std::move(text));
    }
    if (budget_.exhausted()) return too_complex();
    return grammar;
  }

  Result<void, GrammarError> resolve_rule(LarkNode& node, const std::vector<std::uint32_t>& place) {
    if (node.kind == Kind::kRule) {
      if (!is_terminal(names_[node.rule])) {
        node.rule = place[node.rule];
        return {};
      }
      TRY_ASSIGN(node.text, to_text(node, 0));
      node.kind = Kind::kText;
    }
    for (LarkNode& child : node.children) TRY(resolve_rule(child, place));
    return {};
  }

  // The text of a terminal, which may use others.
  Result<const RegexNode*, GrammarError> terminal(std::uint32_t number, int depth) {
    Definition& definition = definitions_[number];
    if (definition.text) return &*definition.text;
    if (!definition.there)
      return fail(GrammarErrorCode::kInvalidGrammar,
                  fmt::format("'{}' is not defined", names_[number]));
    if (definition.open)
      return invalid(fmt::format("the terminal '{}' is made of itself", names_[number]));
    definition.open = true;
    TRY_ASSIGN(RegexNode text, to_text(definition.body, depth + 1));
    definitions_[number].text = std::move(text);
    return &*definitions_[number].text;
  }

  Text to_text(const LarkNode& node, int depth) {
    if (depth > kMaxDepth || !budget_.spend(20)) return too_complex();
    if (node.kind == Kind::kText) return copy_text(node.text);
    if (node.kind == Kind::kRule) {
      if (!is_terminal(names_[node.rule]))
        return invalid(
            fmt::format("a terminal cannot be made of the rule '{}'", names_[node.rule]));
      TRY_ASSIGN(const RegexNode* text, terminal(node.rule, depth));
      return copy_text(*text);
    }
    RegexNode made = expression_of(node);
    for (const LarkNode& child : node.children) {
      TRY_ASSIGN(RegexNode inner, to_text(child, depth + 1));
      made.children.push_back(std::move(inner));
    }
    return made;
  }
  Text copy_text(const RegexNode& text) {
    if (!take_copy(text, budget_)) return too_complex();
    return text;
  }

  std::string_view text_;
  Budget& budget_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::map<std::string, std::uint32_t, std::less<>> numbers_;
  std::vector<std::string> names_;
  std::vector<Definition> definitions_;
  std::vector<LarkNode> ignored_;
};

}  // namespace

RegexNode expression_of(const LarkNode& node) {
  RegexNode made;
  made.min = node.min;
  made.max = node.max;
  made.kind = node.kind == LarkNode::Kind::kSequence ? RegexNode::Kind::kSequence
              : node.kind == LarkNode::Kind::kChoice ? RegexNode::Kind::kChoice
                                                     : RegexNode::Kind::kRepeat;
  return made;
}

Result<LarkGrammar, GrammarError> parse_lark(std::string_view definition, Budget& budget) {
  return Parser(definition, budget).parse();
}

}  // namespace tessera::grammar
