// Shapes to the nodes of a grammar. One object a schema; several may build into one grammar. One
// thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/shaper.h"

namespace tessera::grammar {

class NodeBuilder {
 public:
  NodeBuilder(Grammar& grammar, Shaper& shaper) : grammar_(grammar), shaper_(shaper) {}

  // The node of what all the terms ask. Its inside is built by finish().
  NodeId node(std::vector<Term> terms);
  // Builds all that is asked for, and whatever that asks for.
  Result<void, GrammarError> finish();

 private:
  using Step = Result<void, GrammarError>;

  Step build(NodeId id, const std::vector<Term>& terms);
  Step add_values(NodeId id, const Shape& shape, std::vector<std::string_view>& texts,
                  std::vector<std::string>& scalars);
  Step add_literals(NodeId id, const std::vector<std::string>& texts);
  Step add_string(NodeId id, const StringRule& rule);
  Step add_array(NodeId id, const ArrayRule& rule);
  // Makes the items of an array unique, once their node is built; `keyword` is what asks for it.
  Step make_unique(std::size_t array, const json::Value& keyword);
  // Whether that can be kept by the items' characters.
  bool is_listed(const ArrayAlt& array) const;
  // Else they are compared as wholes: all that they are made of is copied, in a form that item_step
  // can compare.
  // Of an array's items: which ones `contains` counts.
  enum class Counting : std::uint8_t { kNone, kSome, kAll };
  Counting counting_of(const ArrayRule& rule, const Contains& contains, std::size_t prefix);
  Step make_differ(std::size_t array, const json::Value& keyword);
  NodeId item_node(NodeId from);
  void take_item_nodes(ArrayAlt& array);
  Step add_item_alt(NodeId id, const Alt& from, const json::Value& keyword);
  Unexpected<GrammarError> cannot_differ(std::string_view what, const json::Value& keyword) const;
  // All of them as one: a text is the same whichever it is of.
  Step add_unique_strings(NodeId id, const std::vector<StringAlt>& strings);
  Step add_object(NodeId id, const ObjectRule& rule);
  Step add_object_with(NodeId id, const ObjectRule& rule, const std::vector<Some>& free);
  // `free`: members that have to be there, under a key that the schema does not name.
  Step add_regions(const ObjectRule& rule, const std::vector<Some>& free, ObjectAlt& object,
                   std::vector<std::string>& names);
  Step add_marked_regions(LanguagePtr language, const std::vector<Term>& terms,
                          const std::vector<Some>& free, ObjectAlt& object,
                          std::vector<std::string>& names);
  Step add_region(LanguagePtr language, const std::vector<Term>& terms, std::uint8_t marks,
                  ObjectAlt& object, std::vector<std::string>& names);
  // A node that writes exactly this value.
  Result<NodeId, GrammarError> literal_node(const json::Value& value);
  Step add_literal_value(NodeId id, const json::Value& value);
  void add_alt(NodeId id, Alt::Kind kind, std::size_t index);
  NodeId new_node();

  static Unexpected<GrammarError> too_complex() {
    return fail(GrammarErrorCode::kSchemaTooComplex, "the schema is too complex");
  }

  Grammar& grammar_;
  Shaper& shaper_;
  std::map<std::vector<Term>, NodeId> known_;
  std::vector<std::pair<NodeId, std::vector<Term>>> open_;
  std::vector<std::pair<std::size_t, const json::Value*>> unique_;  // arrays, and their keywords
  std::set<std::size_t> unique_arrays_;
  std::map<NodeId, NodeId> item_nodes_;  // copies
  std::vector<std::pair<NodeId, NodeId>> open_items_;
};

// Finds the height of every node, and takes out what no value fits: alternatives, optional members,
// items. A node that is left without a height fits nothing.
void prune(Grammar& grammar, Budget& budget);

}  // namespace tessera::grammar
