// Which JSON types a parameter of a tool can have, in the order in which its schema names them.
// What turns a parameter's text into JSON and what constrains that text have to agree on it.
// Bounded work for any schema; any thread.
#pragma once

#include <string_view>
#include <vector>

#include "base/json.h"

namespace tessera {

// `parameters` is the tool's schema, or null. Its members are looked for in `properties`, and else
// in `additionalProperties`, `patternProperties` and `unevaluatedProperties`, whatever the name, of
// the schema and of those that it is combined of ($ref, allOf, anyOf, oneOf, then, else, dependent
// schemas). Empty when it says nothing of this name.
std::vector<std::string_view> parameter_types(const json::Value* parameters, std::string_view name);
// Whether any `properties` name it.
bool has_parameter(const json::Value* parameters, std::string_view name);

// Parameters whose names no `properties` have. Open to them are schemas that say so: a schema that
// has none of those three keywords, nor `propertyNames`, or has false there, would be met by them
// but does not mean them.
struct FreeParameters {
  bool any = false;
  std::vector<std::string_view> types;  // as parameter_types() says of them
  std::vector<std::string_view> named;  // what all `properties` name; a name may come twice
};
FreeParameters free_parameters_of(const json::Value* parameters);

}  // namespace tessera
