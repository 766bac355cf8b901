// Which JSON types a parameter of a tool can have, in the order in which its schema names them.
// What turns a parameter's text into JSON and what constrains that text have to agree on it.
// Bounded work for any schema; any thread.
#pragma once

#include <string_view>
#include <vector>

#include "base/json.h"

namespace tessera {

// `parameters` is the tool's schema, or null. Its members are looked for in `properties`, and else
// in `additionalProperties`, of the schema and of those that it is combined of ($ref, allOf, anyOf,
// oneOf, then, else, dependent schemas). Empty when it says nothing of this name.
std::vector<std::string_view> parameter_types(const json::Value* parameters, std::string_view name);
// Whether any `properties` name it.
bool has_parameter(const json::Value* parameters, std::string_view name);

}  // namespace tessera
