// A compiled grammar: what the automaton (machine.h) runs on. Nodes are JSON values, each a choice
// of alternatives of one type; calls and free text are put around them by a Plan. Built by
// compile.h and calls.h, then immutable: any thread, shared by all matchers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grammar/decimal.h"
#include "grammar/language.h"

namespace tessera::grammar {

inline constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
// JSON nests at most this deep.
inline constexpr std::uint32_t kMaxNesting = 64;

using NodeId = std::uint32_t;
using AltId = std::uint32_t;

// Names that may come in the order of their index, each once; those that are required may not be
// skipped. The trie's symbols are code points (keys) or bytes (texts around parameters).
class KeyTrie {
 public:
  struct Node {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> edges;  // symbol → node, ascending
    std::uint32_t key = kNone;                                   // the name that ends here
    std::vector<std::uint32_t> keys;  // below or here, ascending; those that may come
    std::uint32_t names_below = 0;    // and all, banned or not
  };

  KeyTrie() : nodes_(1) {}
  // Names are added by ascending index. One that is `banned` is known but never comes.
  void add(const std::vector<std::uint32_t>& symbols, std::uint32_t key, bool banned);
  // kNone: off the trie.
  std::uint32_t next(std::uint32_t node, std::uint32_t symbol) const;
  const Node& node(std::uint32_t node) const { return nodes_[node]; }
  // Whether a key of [first, last] is below `node`.
  bool reaches(std::uint32_t node, std::uint32_t first, std::uint32_t last) const;
  // The same behind a symbol of [low, high].
  bool can_step(std::uint32_t node, std::uint32_t low, std::uint32_t high, std::uint32_t first,
                std::uint32_t last) const;
  // Appends what names, banned or not, go on with behind `node`, each with `prefix` in front; of
  // longer ones the first kLongestListed characters.
  static constexpr std::size_t kLongestListed = 256;
  void list(std::uint32_t node, std::u32string& prefix, std::vector<std::u32string>& out) const;
  std::size_t bytes() const;

 private:
  std::vector<Node> nodes_;
};

struct StringAlt {
  LanguagePtr language;   // with the minimum length in it unless it is any()
  std::uint32_t min = 0;  // characters; only with any()
  std::uint32_t max = kUnbounded;
};

struct NumberAlt {
  bool integer = false;
  bool bounded = false;  // the rest holds; otherwise any number of any size
  Int128 low = 0;        // in units of 10^-17, as the others
  Int128 high = 0;
  Int128 multiple = 1;
  std::vector<Int128> no_multiple_of;
  std::string shortest;  // one of the shortest, as text
};

struct ArrayAlt {
  std::vector<NodeId> prefix;
  NodeId rest = kNone;  // kNone: no items behind the prefix
  std::uint32_t min = 0;
  std::uint32_t max = kUnbounded;
  // What `contains` asks for: how many items of a kind there are.
  struct Count {
    std::uint32_t min = 0;
    std::uint32_t max = kUnbounded;
    // Counted up to here.
    std::uint32_t last() const { return max == kUnbounded ? min : max; }
  };
  std::vector<Count> counts;
  // Items that count for the counts in the bits of 1 + the index here fit these nodes; the others
  // those above.
  struct Counted {
    std::vector<NodeId> prefix;
    NodeId rest = kNone;
  };
  std::vector<Counted> counted;
  // By the item's index (those behind the last are alike) and the counts so far (as one number, the
  // first count lowest): whether an end can be reached.
  std::vector<bool> feasible;
  std::uint32_t count_states = 1;

  std::uint32_t last_index() const {
    return max != kUnbounded ? max : std::max(min, static_cast<std::uint32_t>(prefix.size()));
  }
  // Of an item that counts for the bits of `kind`.
  NodeId item_node(std::uint32_t index, std::uint32_t kind) const;
  // The counts behind such an item; kNone: one would be too high.
  std::uint32_t counts_behind(std::uint32_t state, std::uint32_t kind) const;
  bool counts_suffice(std::uint32_t state) const;
  bool is_feasible(std::uint32_t index, std::uint32_t state) const {
    return counts.empty() || feasible[std::min(index, last_index()) * count_states + state];
  }
  // No item twice. Then all items are of the node `rest`, which has literals and strings alone, the
  // strings' lengths are in their languages, and `max` is not above the number of its values.
  bool unique = false;
  // The same for items of all kinds, whose values are compared as wholes (item_step.cpp). What such
  // items are made of is of nodes of their own: numbers have bounds, strings' lengths are in their
  // languages, free keys are endless.
  bool differ = false;
  std::uint32_t cost = kNone;
};

struct ObjectAlt {
  struct Key {
    NodeId node = kNone;  // kNone: must not come
    bool required = false;
  };
  // Further keys: those of the language that are not named above.
  struct Region {
    LanguagePtr language;
    NodeId node = kNone;
    std::uint8_t marks = 0;  // of `needed`, that such a member has
  };
  std::vector<Key> keys;
  std::vector<std::string> names;  // of the keys
  KeyTrie trie;
  std::vector<Region> regions;
  std::vector<std::uint32_t> last_from;  // of index i: the last key that may come next, or kNone
  std::uint32_t required_count = 0;
  std::uint32_t min = 0;
  std::uint32_t max = kUnbounded;
  std::uint8_t needed = 0;  // marks that members have to have, together
  std::uint32_t cost = kNone;

  // Sets last_from and required_count.
  void finish();
  std::uint32_t required_from(std::uint32_t index) const { return required_left_[index]; }
  std::uint32_t possible_from(std::uint32_t index) const { return possible_left_[index]; }

 private:
  std::vector<std::uint32_t> required_left_;
  std::vector<std::uint32_t> possible_left_;
};

struct Alt {
  enum class Kind : std::uint8_t { kLiteral, kNumber, kString, kArray, kObject };
  Kind kind = Kind::kLiteral;
  std::uint32_t index = 0;       // into the vector of its kind; kLiteral: a node of `literals`
  std::uint32_t height = kNone;  // containers that its shallowest value nests; kNone: it has none
  std::uint32_t cost = kNone;    // bytes of a short value (cost.h); so it is everywhere here
  std::uint32_t values = 0;      // how many there are, at least (value_count.h)
};

struct Node {
  std::vector<AltId> alts;
  std::uint32_t height = kNone;
  std::uint32_t cost = kNone;
  std::uint32_t values = 0;
};

struct LiteralNode {
  std::vector<std::pair<std::uint8_t, std::uint32_t>> edges;
  bool end = false;
  std::uint32_t ends_below = 0;  // literals that end here or further on
  std::uint32_t to_end = kNone;  // bytes to the nearest end
};

// A place in a rule of a custom tool's grammar (lark_net.h has what they mean).
struct RuleNode {
  struct Edge {
    std::uint32_t string = kNone;  // the text that is read; kNone: a rule is
    std::uint32_t rule = 0;        // its first node
    std::uint32_t to = 0;
  };
  std::vector<Edge> edges;
  bool end = false;
  std::uint32_t height = 0;
  std::uint32_t cost = 0;
};
// Rules are inside each other at most this deep.
inline constexpr std::uint32_t kMaxRules = 256;

// A tool's call: behind <function=NAME>\n.
struct CallAlt {
  struct Parameter {
    NodeId node = kNone;             // JSON; kNone: it has no value that is written as JSON
    std::vector<std::uint32_t> raw;  // strings that are written as they are
    std::uint32_t rules = kNone;     // the first node of a grammar for one
  };
  // Parameters that the schema does not name; they come behind all others. A name may come twice:
  // whoever reads the call takes the first.
  struct Free {
    std::uint32_t name = kNone;  // of strings, without > and newlines
    Parameter parameter;
  };
  std::vector<Parameter> parameters;
  std::vector<Free> free;
  // "<parameter=KEY>\n" by index, then "<parameter=" at free_index() if there are such, and
  // "</function>\n" at end_index().
  KeyTrie trie;
  std::uint32_t min = 0;  // parameters; of those that are free one counts
  std::uint32_t max = kUnbounded;
  std::vector<std::uint32_t> last_from;      // of index i: the last one that may come next
  std::vector<std::uint32_t> required_from;  // how many have to come from there on
  std::vector<std::uint32_t> possible_from;  // and how many can
  std::uint32_t cost = kNone;                // of the required parameters

  std::uint32_t free_index() const { return static_cast<std::uint32_t>(parameters.size()); }
  std::uint32_t end_index() const { return free_index() + 1; }
};

// What comes when, around the constrained parts.
struct Plan {
  bool thinking = false;   // it starts inside the reasoning
  bool free_text = false;  // text of any kind, until a call
  bool may_end = false;    // it may end without a call
  NodeId json = kNone;     // or a JSON text instead
  bool calls = false;
  bool parallel_calls = false;
};

struct Grammar {
  std::vector<Node> nodes;
  std::vector<Alt> alts;
  std::vector<StringAlt> strings;
  std::vector<NumberAlt> numbers;
  std::vector<ArrayAlt> arrays;
  std::vector<ObjectAlt> objects;
  std::vector<LiteralNode> literals;
  std::vector<RuleNode> rules;
  std::vector<CallAlt> calls;
  std::vector<std::vector<std::uint32_t>> tools;  // the calls that each can be
  KeyTrie call_names;                             // "NAME>\n" by tool
  Plan plan;
  std::uint32_t largest_cost = 0;  // of any value or call
  std::size_t bytes() const;
};

using GrammarPtr = std::shared_ptr<const Grammar>;

}  // namespace tessera::grammar
