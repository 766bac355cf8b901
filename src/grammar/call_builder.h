// Tools to the part of a grammar that writes calls:
//
//   <tool_call>\n<function=NAME>\n(<parameter=KEY>\nVALUE\n</parameter>\n)*</function>\n</tool_call>
//
// Parameters come in the order of the schema, those that it does not name behind the others, if it
// says that there may be such (base/schema_types.h). A value that is a string is written as it is,
// all others as JSON; which is which follows base/schema_types.h, as the reader of calls does
// (chat/tool_set.h), so that what it makes of the text is what the schema allows. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/json.h"
#include "grammar/error.h"
#include "grammar/grammar.h"
#include "grammar/text_form.h"

namespace tessera::grammar {

class CallBuilder {
 public:
  CallBuilder(Grammar& grammar, Budget& budget) : grammar_(grammar), budget_(budget) {}

  // A function whose parameters are `root`, after prune(). `schema` may be null. Errors have no
  // path.
  Result<void, GrammarError> add(const std::string& name, const json::Value* schema, NodeId root);
  // One that has a single parameter, a text of this form.
  Result<void, GrammarError> add_text(const std::string& name, std::string_view parameter,
                                      const TextForm& form);

 private:
  CallAlt::Parameter raw_parameter(LanguagePtr language);
  CallAlt::Parameter rules_parameter(const TextNet& net);
  void add_name(const std::string& name, std::vector<std::uint32_t> group);
  struct Member {
    std::string name;
    CallAlt::Parameter parameter;
    bool required = false;
  };
  Result<std::vector<Member>, GrammarError> members(const json::Value* schema,
                                                    const ObjectAlt& object);
  Result<std::vector<CallAlt::Free>, GrammarError> free_parameters(const json::Value* schema,
                                                                   const ObjectAlt& object,
                                                                   std::size_t count);
  static CallAlt build(const std::vector<Member>& members, std::vector<CallAlt::Free> free);
  Result<CallAlt::Parameter, GrammarError> parameter(const std::vector<std::string_view>& types,
                                                     NodeId node);
  // The literals below `root` whose text is to be kept; nothing when there are none.
  std::optional<std::uint32_t> keep_literals(std::uint32_t root,
                                             const std::function<bool(const std::string&)>& keep);
  // True, False and None for those of true, false and null that are below `root`, as the model's
  // template writes them; kNone: none of them is.
  std::uint32_t python_words(std::uint32_t root);
  std::uint32_t new_literal();
  // Texts that stand for themselves: no line of theirs begins like a tag, and they are not read as
  // one of these types.
  LanguagePtr raw_language(const std::vector<std::string_view>& types);
  // And that are of the string's kind.
  LanguagePtr raw_language(const std::vector<std::string_view>& types, const StringAlt& string);

  Grammar& grammar_;
  Budget& budget_;
  using Types = std::vector<std::string_view>;
  std::map<Types, LanguagePtr> raw_languages_;
  std::map<std::tuple<Types, LanguagePtr, std::uint32_t>, LanguagePtr> raw_strings_;
};

}  // namespace tessera::grammar
