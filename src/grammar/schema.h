// A JSON Schema as a document: where its references lead, and where a part of it stands. Any
// thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/json.h"
#include "grammar/error.h"

namespace tessera::grammar {

class SchemaDocument {
 public:
  // `root` must outlive the document.
  SchemaDocument(const json::Value& root, Budget& budget);

  const json::Value& root() const { return root_; }
  // JSON pointers, anchors and `$id`s that the document has; `at` is the reference itself, whose
  // place says what it is relative to. Never fetches.
  Result<const json::Value*, GrammarError> resolve(std::string_view reference,
                                                   const json::Value& at) const;
  // The JSON pointer of a part; a walk through the document: for messages.
  std::string path_of(const json::Value& part) const;
  // Drafts up to 7 ignore what stands beside `$ref`.
  bool ref_stands_alone() const { return ref_stands_alone_; }
  bool is_2019() const { return is_2019_; }
  bool has_unevaluated() const { return has_unevaluated_; }
  // The same of $dynamicRef and $recursiveRef. Whoever refers, the root is what was entered first:
  // its anchor is what such a reference means. Else there may be only one that it can mean.
  Result<const json::Value*, GrammarError> resolve_dynamic(std::string_view keyword,
                                                           std::string_view reference,
                                                           const json::Value& at) const;

  Unexpected<GrammarError> error(GrammarErrorCode code, std::string message,
                                 const json::Value& at) const;

 private:
  void index(const json::Value& part, std::string base, Budget& budget);
  // Notes the names of `part`; gives what the references in it are relative to.
  std::string enter_names(const json::Value& part, std::string base);

  const json::Value& root_;
  bool ref_stands_alone_ = false;
  bool is_2019_ = false;
  bool has_unevaluated_ = false;
  std::unordered_map<std::string, const json::Value*> names_;     // absolute, with anchors
  std::unordered_map<const json::Value*, std::string> bases_;     // of references below an `$id`
  std::unordered_map<std::string, std::uint32_t> dynamic_names_;  // anchors, and how many there are
  std::unordered_map<std::string, const json::Value*> root_anchors_;  // null: twice
  std::string root_base_;
};

// Equal as JSON values: 1 is 1.0, members in any order.
bool equal(const json::Value& a, const json::Value& b);

}  // namespace tessera::grammar
