#include "grammar/call_builder.h"

#include <algorithm>
#include <utility>

#include "base/schema_types.h"
#include "grammar/regex.h"

namespace tessera::grammar {
namespace {

constexpr std::size_t kMaxNameBytes = 256;                 // what the reader of calls looks at
constexpr std::uint32_t kMaxFreeName = kMaxNameBytes / 4;  // characters

std::vector<std::uint32_t> bytes_of(std::string_view text) {
  std::vector<std::uint32_t> out;
  for (const char c : text) out.push_back(static_cast<std::uint8_t>(c));
  return out;
}

bool has(const std::vector<std::string_view>& types, std::string_view type) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

// What is read as a value of the type rather than as text; more than that does no harm.
std::string_view reads_as(std::string_view type) {
  if (type == "null") return "^\\s*(null|None)\\s*$";
  if (type == "boolean") return "^\\s*([tT][rR][uU][eE]|[fF][aA][lL][sS][eE])\\s*$";
  if (type == "array") return "^\\s*\\[\\s*([\\]\"'\\[{0-9tfnTFN-]|$)";
  if (type == "object") return "^\\s*\\{\\s*([}\"']|$)";
  return "^\\s*-?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?\\s*$";
}

GrammarError unnamed_member() {
  return {
      GrammarErrorCode::kUnsupportedSchema,
      "the parameters need more members than a call can write: those that the schema names, and "
      "one that it leaves open",
      {}};
}

Unexpected<GrammarError> too_complex() {
  return fail(GrammarErrorCode::kSchemaTooComplex, "the tools are too complex");
}

}  // namespace

LanguagePtr CallBuilder::raw_language(const std::vector<std::string_view>& types) {
  const auto found = raw_languages_.find(types);
  if (found != raw_languages_.end()) return found->second;
  std::vector<std::string_view> patterns{"(^|\\n)(</parameter>|</function>|<parameter=)"};
  for (const std::string_view type : types) patterns.push_back(reads_as(type));
  LanguagePtr language = Language::any();
  for (const std::string_view pattern : patterns) {
    const auto taken = compile_regex(pattern, budget_);
    if (!taken) return nullptr;
    const LanguagePtr rest = Language::complement(**taken, budget_);
    if (rest == nullptr) return nullptr;
    language = Language::intersection(*language, *rest, budget_);
    if (language == nullptr) return nullptr;
  }
  raw_languages_.emplace(types, language);
  return language;
}

// One language for equal strings, as tools have many: what is known of it is found out once.
LanguagePtr CallBuilder::raw_language(const std::vector<std::string_view>& types,
                                      const StringAlt& string) {
  LanguagePtr& known = raw_strings_[{types, string.language, string.min}];
  if (known != nullptr) return known;
  LanguagePtr language = raw_language(types);
  if (language != nullptr && string.min > 0) {
    const LanguagePtr length = Language::of_length(string.min, kUnbounded, budget_);
    language = length == nullptr ? nullptr : Language::intersection(*language, *length, budget_);
  }
  if (language != nullptr && !string.language->is_any())
    language = Language::intersection(*language, *string.language, budget_);
  return known = std::move(language);
}

std::optional<std::uint32_t> CallBuilder::keep_literals(
    std::uint32_t root, const std::function<bool(const std::string&)>& keep) {
  std::string text;
  // The copy of a node's tree without what is not kept; nothing when that is all of it.
  const auto copy = [&](const auto& self, std::uint32_t from) -> std::optional<std::uint32_t> {
    budget_.take(sizeof(LiteralNode) + 16);
    const LiteralNode node = grammar_.literals[from];
    LiteralNode made;
    made.end = node.end && keep(text);
    for (const auto& [byte, to] : node.edges) {
      text += static_cast<char>(byte);
      if (const auto child = self(self, to)) made.edges.emplace_back(byte, *child);
      text.pop_back();
    }
    if (!made.end && made.edges.empty()) return std::nullopt;
    grammar_.literals.push_back(std::move(made));
    return static_cast<std::uint32_t>(grammar_.literals.size() - 1);
  };
  return copy(copy, root);
}

std::uint32_t CallBuilder::python_words(std::uint32_t root) {
  const auto ends = [&](std::string_view text) {
    std::uint32_t at = root;
    for (const char c : text) {
      const auto& edges = grammar_.literals[at].edges;
      const auto found = std::find_if(edges.begin(), edges.end(), [&](const auto& edge) {
        return edge.first == static_cast<std::uint8_t>(c);
      });
      if (found == edges.end()) return false;
      at = found->second;
    }
    return grammar_.literals[at].end;
  };
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"true", "True"}, {"false", "False"}, {"null", "None"}};
  std::uint32_t tree = kNone;
  for (const auto& [json, python] : kWords) {
    if (!ends(json)) continue;
    if (tree == kNone) tree = new_literal();
    std::uint32_t at = tree;
    for (const char c : python) {
      const std::uint32_t next = new_literal();
      grammar_.literals[at].edges.emplace_back(static_cast<std::uint8_t>(c), next);
      at = next;
    }
    grammar_.literals[at].end = true;
  }
  return tree;
}

std::uint32_t CallBuilder::new_literal() {
  budget_.take(sizeof(LiteralNode) + 16);
  grammar_.literals.emplace_back();
  return static_cast<std::uint32_t>(grammar_.literals.size() - 1);
}

Result<CallAlt::Parameter, GrammarError> CallBuilder::parameter(
    const std::vector<std::string_view>& types, NodeId id) {
  // The types that are tried on a text before it is taken for a string.
  std::vector<std::string_view> read = types;
  std::erase(read, "string");
  CallAlt::Parameter out;
  Node json;
  const std::vector<AltId> alts = grammar_.nodes[id].alts;
  for (const AltId alt_id : alts) {
    const Alt alt = grammar_.alts[alt_id];
    if (alt.kind == Alt::Kind::kString) {
      StringAlt string = grammar_.strings[alt.index];
      LanguagePtr language = raw_language(read, string);
      if (language == nullptr) return too_complex();
      if (language->empty() || language->shortest(language->start()) > string.max) continue;
      string.language = std::move(language);
      string.min = 0;
      out.raw.push_back(static_cast<std::uint32_t>(grammar_.strings.size()));
      grammar_.strings.push_back(std::move(string));
      continue;
    }
    const bool number = has(read, "number") || has(read, "integer");
    if (alt.kind == Alt::Kind::kLiteral) {
      const auto kept = keep_literals(alt.index, [&](const std::string& text) {
        if (text == "null") return has(read, "null");
        if (text == "true" || text == "false") return has(read, "boolean");
        return number;
      });
      if (!kept) continue;
      for (const std::uint32_t tree : {*kept, python_words(*kept)}) {
        if (tree == kNone) continue;
        json.alts.push_back(static_cast<AltId>(grammar_.alts.size()));
        grammar_.alts.push_back({Alt::Kind::kLiteral, tree, 0});
      }
      json.height = 0;
      continue;
    }
    const bool kept = (alt.kind == Alt::Kind::kArray && has(read, "array")) ||
                      (alt.kind == Alt::Kind::kObject && has(read, "object")) ||
                      (alt.kind == Alt::Kind::kNumber && number);
    if (!kept) continue;
    json.alts.push_back(alt_id);
    json.height = std::min(json.height, alt.height);
  }
  if (!json.alts.empty()) {
    out.node = static_cast<NodeId>(grammar_.nodes.size());
    grammar_.nodes.push_back(std::move(json));
  }
  return out;
}

Result<std::vector<CallBuilder::Member>, GrammarError> CallBuilder::members(
    const json::Value* schema, const ObjectAlt& object) {
  if (object.needed != 0) return Unexpected{unnamed_member()};
  std::vector<Member> out;
  for (std::size_t i = 0; i < object.keys.size(); ++i) {
    const std::string& name = object.names[i];
    const ObjectAlt::Key& key = object.keys[i];
    if (key.node == kNone) continue;
    if (name.empty() || name.size() > kMaxNameBytes ||
        name.find_first_of(">\n") != std::string::npos) {
      return fail(GrammarErrorCode::kUnsupportedSchema,
                  "a parameter's name cannot be written in a call");
    }
    TRY_ASSIGN(CallAlt::Parameter made, parameter(parameter_types(schema, name), key.node));
    if (made.node == kNone && made.raw.empty()) {
      if (!key.required) continue;
      return fail(GrammarErrorCode::kUnsupportedSchema,
                  "a required parameter has no value that can be written in a call");
    }
    out.push_back({name, std::move(made), key.required});
    if (!budget_.take(name.size() * 80 + 1000)) return too_complex();
  }
  return out;
}

// Names that the schema leaves open, where it says in so many words that it does, or asks for more
// than the `count` that it names.
Result<std::vector<CallAlt::Free>, GrammarError> CallBuilder::free_parameters(
    const json::Value* schema, const ObjectAlt& object, std::size_t count) {
  std::vector<CallAlt::Free> out;
  const FreeParameters open = free_parameters_of(schema);
  if ((!open.any && object.min <= count) || object.regions.empty()) return out;
  // What the reader of calls takes for a name of the schema is none of these.
  std::vector<std::string_view> named(object.names.begin(), object.names.end());
  named.insert(named.end(), open.named.begin(), open.named.end());
  const auto plain = compile_regex("^[^\\u0000-\\u001f<>\\u007f]+$", budget_);
  if (!plain) return too_complex();
  LanguagePtr names = *plain;
  if (!named.empty()) {
    const LanguagePtr known = Language::of_texts(named, budget_);
    const LanguagePtr others = known == nullptr ? known : Language::complement(*known, budget_);
    names = others == nullptr ? others : Language::intersection(*names, *others, budget_);
  }
  for (const ObjectAlt::Region& region : object.regions) {
    if (names != nullptr && region.node == kNone) continue;
    const LanguagePtr language =
        names == nullptr ? names : Language::intersection(*names, *region.language, budget_);
    if (language == nullptr) return too_complex();
    if (language->empty() || language->shortest(language->start()) > kMaxFreeName) continue;
    TRY_ASSIGN(CallAlt::Parameter made, parameter(open.types, region.node));
    if (made.node == kNone && made.raw.empty()) continue;
    out.push_back({static_cast<std::uint32_t>(grammar_.strings.size()), std::move(made)});
    grammar_.strings.push_back({language, 0, kMaxFreeName});
  }
  return out;
}

CallAlt CallBuilder::build(const std::vector<Member>& members, std::vector<CallAlt::Free> free) {
  CallAlt call;
  for (const Member& member : members) call.parameters.push_back(member.parameter);
  call.free = std::move(free);
  const std::uint32_t end = call.end_index();
  for (std::uint32_t i = 0; i < members.size(); ++i)
    call.trie.add(bytes_of("<parameter=" + members[i].name + ">\n"), i, false);
  if (!call.free.empty()) call.trie.add(bytes_of("<parameter="), call.free_index(), false);
  call.trie.add(bytes_of("</function>\n"), end, false);
  call.last_from.assign(end + 1, end);
  call.required_from.assign(end + 1, 0);
  call.possible_from.assign(end + 1, 0);
  call.possible_from[call.free_index()] = call.free.empty() ? 0 : 1;
  for (std::uint32_t i = call.free_index(); i-- > 0;) {
    call.last_from[i] = members[i].required ? i : call.last_from[i + 1];
    call.required_from[i] = call.required_from[i + 1] + (members[i].required ? 1 : 0);
    call.possible_from[i] = call.possible_from[i + 1] + 1;
  }
  return call;
}

Result<void, GrammarError> CallBuilder::add(const std::string& name, const json::Value* schema,
                                            NodeId root) {
  std::vector<std::uint32_t> group;
  std::optional<GrammarError> fault;  // of an object that cannot be written; another one may do
  const std::vector<AltId> alts = grammar_.nodes[root].alts;
  for (const AltId id : alts) {
    const Alt alt = grammar_.alts[id];
    if (alt.kind != Alt::Kind::kObject) continue;
    const ObjectAlt object = grammar_.objects[alt.index];
    auto known = members(schema, object);
    if (!known) {
      fault = std::move(known).error();
      continue;
    }
    TRY_ASSIGN(std::vector<CallAlt::Free> free, free_parameters(schema, object, known->size()));
    CallAlt call = build(*known, std::move(free));
    call.min = object.min;
    call.max = object.max;
    if (call.possible_from[0] < call.min || call.required_from[0] > call.max) {
      fault = unnamed_member();
      continue;
    }
    group.push_back(static_cast<std::uint32_t>(grammar_.calls.size()));
    grammar_.calls.push_back(std::move(call));
  }
  if (group.empty()) {
    if (fault) return Unexpected{*std::move(fault)};
    return fail(GrammarErrorCode::kInvalidSchema, "no object satisfies the parameters");
  }
  add_name(name, std::move(group));
  return {};
}

Result<void, GrammarError> CallBuilder::add_text(const std::string& name,
                                                 std::string_view parameter, const TextForm& form) {
  const LanguagePtr raw = raw_language({});
  if (raw == nullptr) return too_complex();
  TRY_ASSIGN(const CompiledText text, compile_text(form, *raw, budget_));
  CallAlt::Parameter input =
      text.language != nullptr ? raw_parameter(text.language) : rules_parameter(text.net);
  grammar_.calls.push_back(build({{std::string(parameter), std::move(input), true}}, {}));
  add_name(name, {static_cast<std::uint32_t>(grammar_.calls.size() - 1)});
  return {};
}

CallAlt::Parameter CallBuilder::raw_parameter(LanguagePtr language) {
  CallAlt::Parameter out;
  out.raw.push_back(static_cast<std::uint32_t>(grammar_.strings.size()));
  grammar_.strings.push_back({std::move(language), 0, kUnbounded});
  return out;
}

CallAlt::Parameter CallBuilder::rules_parameter(const TextNet& net) {
  const auto base = static_cast<std::uint32_t>(grammar_.rules.size());
  std::map<const Language*, std::uint32_t> strings;
  for (const TextNet::Node& node : net.nodes) {
    RuleNode made{{}, node.end, node.height, node.cost};
    for (const TextNet::Edge& edge : node.edges) {
      if (edge.text == nullptr) {
        made.edges.push_back({kNone, base + edge.rule, base + edge.to});
        continue;
      }
      const auto [found, fresh] =
          strings.emplace(edge.text.get(), static_cast<std::uint32_t>(grammar_.strings.size()));
      if (fresh) grammar_.strings.push_back({edge.text, 0, kUnbounded});
      made.edges.push_back({found->second, 0, base + edge.to});
    }
    grammar_.rules.push_back(std::move(made));
  }
  budget_.take(net.nodes.size() * sizeof(RuleNode) * 2);
  CallAlt::Parameter out;
  if (net.nothing) {
    static const LanguagePtr nothing = [] {
      Budget budget{CompileLimits{}};
      return Language::of_texts({""}, budget);
    }();
    out = raw_parameter(nothing);
  }
  out.rules = base + net.start;
  return out;
}

void CallBuilder::add_name(const std::string& name, std::vector<std::uint32_t> group) {
  grammar_.call_names.add(bytes_of(name + ">\n"), static_cast<std::uint32_t>(grammar_.tools.size()),
                          false);
  grammar_.tools.push_back(std::move(group));
}

}  // namespace tessera::grammar
