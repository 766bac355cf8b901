// What the field tables say, for others: rows as JSON (the negative tests read them), Markdown
// tables (docs/api.md), and JSON Schemas (/openapi.json).
#pragma once

#include <span>
#include <string>

#include "api/fields.h"
#include "base/json.h"

namespace tessera::api {

// {"chat_completions": [row…], "completions": [row…]}
std::string fields_as_json();

// One section for each table, as they stand in docs/api.md.
std::string fields_as_markdown();

// The schema of the body that the table describes.
json::Value body_schema(std::span<const Field> table);

}  // namespace tessera::api
