// Schemas to shapes: what each keyword says, the combinators, negation, and the checks that need
// them (does a shape admit a value, can two exclude each other). One object a compilation; one
// thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grammar/schema.h"
#include "grammar/shape.h"

namespace tessera::grammar {

// A keyword that counts something: nothing when it is absent.
Result<std::optional<std::uint32_t>, GrammarError> read_count(const SchemaDocument& document,
                                                              const json::Value& schema,
                                                              std::string_view keyword);

// The schema that fits everything.
const json::Value& anything();

class Shaper {
 public:
  // The languages of patterns and formats, by their text: compiled once for several documents.
  struct Patterns {
    std::map<std::string, LanguagePtr, std::less<>> whole;
    std::map<std::string, LanguagePtr, std::less<>> fewer;  // of those that take too much
  };

  // `patterns` may be null; then the shaper has its own.
  Shaper(const SchemaDocument& document, Budget& budget, Patterns* patterns = nullptr)
      : document_(document),
        budget_(budget),
        patterns_(patterns != nullptr ? *patterns : own_patterns_) {}
  Shaper(const Shaper&) = delete;
  Shaper& operator=(const Shaper&) = delete;

  using Answer = Result<std::shared_ptr<const Shapes>, GrammarError>;
  Answer shapes(Term term);
  // All the terms at once.
  Result<Shapes, GrammarError> shapes(const std::vector<Term>& terms);

  Result<bool, GrammarError> admits(const std::vector<Term>& terms, const json::Value& value);
  // No value fits all of the terms, as far as can be seen at once.
  bool has_none(const std::vector<Term>& terms);
  Result<bool, GrammarError> admits(const Shape& shape, const json::Value& value);
  // Whether no value fits, as far as that is seen `depth` levels down.
  Result<bool, GrammarError> is_empty(const Shape& shape, int depth);

  // What is asked of the member `name`, and of the item `index`.
  Result<std::vector<Term>, GrammarError> member_terms(const ObjectRule& rule,
                                                       const std::string& name);
  std::vector<Term> item_terms(const ArrayRule& rule, std::size_t index);
  // Items from here on are all alike.
  static std::size_t prefix_size(const ArrayRule& rule);
  // The tuple of a schema's array rule, and what holds behind it.
  static std::pair<const json::Array*, const json::Value*> tuple_of(const json::Value& schema);

  Result<LanguagePtr, GrammarError> pattern(const std::string& text, const json::Value& at);
  // The same or, where that takes too much, a part of it, which is then known to be one (weak_).
  Result<LanguagePtr, GrammarError> some_pattern(const std::string& text, const json::Value& at);
  // The strings that the terms allow.
  Result<LanguagePtr, GrammarError> names_language(const std::vector<Term>& terms);

  const SchemaDocument& document() const { return document_; }
  Budget& budget() { return budget_; }

 private:
  using Step = Result<void, GrammarError>;

  // What a chain of plain references leads to.
  Result<const json::Value*, GrammarError> follow(const json::Value* schema);
  Result<Shapes, GrammarError> expand(const json::Value& schema);
  // What a keyword that refers to a schema leads to.
  Result<const json::Value*, GrammarError> refer(std::string_view keyword,
                                                 const json::Value& reference);
  Step check_keywords(const json::Object& schema);
  Step read_types(const json::Value& schema, Shape& shape);
  Step read_values(const json::Value& schema, Shape& shape);
  Step read_number(const json::Value& schema, Shape& shape);
  Step read_string(const json::Value& schema, Shape& shape);
  Step read_array(const json::Value& schema, Shape& shape);
  Step read_object(const json::Value& schema, Shape& shape);
  Step apply_lists(const json::Value& schema, Shapes& out);
  // Of the branches of an anyOf or oneOf: those that only list words, numbers and strings.
  struct Listed {
    std::size_t branches = 0;
    Shape all;
    Shape once;                            // what one of them alone has
    std::vector<const json::Value*> rest;  // the other branches
  };
  Listed list_branches(const json::Array& branches);
  Step apply_one_of(const json::Array& branches, const json::Value& at, Shapes& out);
  Step apply_one_of(const std::vector<const json::Value*>& branches, const json::Value& at,
                    Shapes& out);
  // The shapes of each branch, with what stands beside oneOf.
  Result<std::vector<Shapes>, GrammarError> branch_shapes(
      const std::vector<const json::Value*>& branches, const Shapes& beside,
      std::vector<bool>& weak);
  void leave_out(std::string message, const json::Value& at);
  Shapes split_by_presence(const json::Value& condition, const Shapes& when);
  Step apply_condition(const json::Value& schema, Shapes& out);
  Step apply_dependencies(const json::Value& schema, Shapes& out);
  // unevaluatedProperties and unevaluatedItems, once the schema's own shapes are known.
  Step add_rests(const json::Value& schema, Shapes& out);
  // What a value is that fits several branches of an anyOf: more of it counts as evaluated.
  Step add_combinations(const json::Array& branches, Shapes& any);
  Result<bool, GrammarError> disjoint(const Shapes& a, const Shapes& b);

  Result<Shapes, GrammarError> negate(const json::Value& schema);
  Step negate_simple(const json::Value& schema, Shapes& out);
  Step negate_values(const json::Value& schema, Shapes& out);
  Step negate_strings(const json::Value& schema, Shapes& out);
  Step negate_arrays(const json::Value& schema, Shapes& out);
  Step negate_objects(const json::Value& schema, Shapes& out);
  Step negate_keys(const json::Value& schema, Shapes& out);
  Step negate_dependencies(const json::Value& schema, Shapes& out);
  Step negate_one_of(const json::Value& schema, Shapes& out);
  // Arrays and objects that are not `value`.
  void add_others(const json::Value& value, Shapes& out);

  Step cross(Shapes& into, const Shapes& with);
  // They stay as long as this does.
  std::shared_ptr<const Shapes> keep(Shapes shapes);
  // The shapes of all the terms; null: one of them is being expanded, so that nothing can be said
  // of them yet.
  Answer settled_shapes(const std::vector<Term>& terms);
  Unexpected<GrammarError> unsupported(std::string message, const json::Value& at) const {
    return document_.error(GrammarErrorCode::kUnsupportedSchema, std::move(message), at);
  }
  Unexpected<GrammarError> invalid(std::string message, const json::Value& at) const {
    return document_.error(GrammarErrorCode::kInvalidSchema, std::move(message), at);
  }
  // Calls `make`; whether weak_ was set in it.
  template <class Make>
  bool is_weak(const Make& make) {
    const bool before = std::exchange(weak_, false);
    make();
    return std::exchange(weak_, weak_ || before);
  }
  static Unexpected<GrammarError> too_complex() {
    return fail(GrammarErrorCode::kSchemaTooComplex, "the schema is too complex");
  }

  const SchemaDocument& document_;
  Budget& budget_;
  std::map<Term, std::shared_ptr<const Shapes>> known_;
  std::set<Term> open_;    // being expanded: a schema that leads back to itself says nothing new
  bool met_open_ = false;  // such a loop was met: the answer is not to be kept
  int depth_ = 0;
  bool pruning_ = false;
  // Shapes may be fewer than the schema has: a denial may leave out what cannot be enforced, a
  // pattern the texts that take too much. What is left fits, but that there is none proves nothing.
  // Set where that happened since it was last cleared; the sets that are kept and are such; the
  // first of what was left out.
  bool weak_ = false;
  std::set<const Shapes*> weak_shapes_;
  std::optional<GrammarError> left_out_;
  int settling_ = 0;  // in settled_shapes()
  Patterns own_patterns_;
  Patterns& patterns_;
  std::map<std::vector<Term>, std::shared_ptr<const Shapes>> known_sets_;
  std::deque<json::Value> made_;  // schemas of parts of values that are denied
};

}  // namespace tessera::grammar
