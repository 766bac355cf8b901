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
  // JSON pointers and anchors within the document, and `$id`s that it has. Never fetches.
  Result<const json::Value*, GrammarError> resolve(std::string_view reference,
                                                   const json::Value& at) const;
  // The JSON pointer of a part; a walk through the document: for messages.
  std::string path_of(const json::Value& part) const;
  // Drafts up to 7 ignore what stands beside `$ref`.
  bool ref_stands_alone() const { return ref_stands_alone_; }

  Unexpected<GrammarError> error(GrammarErrorCode code, std::string message,
                                 const json::Value& at) const;

 private:
  void index(const json::Value& part, Budget& budget);

  const json::Value& root_;
  bool ref_stands_alone_ = false;
  std::unordered_map<std::string, const json::Value*> names_;  // "#anchor" and ids
};

// Equal as JSON values: 1 is 1.0, members in any order.
bool equal(const json::Value& a, const json::Value& b);

}  // namespace tessera::grammar
