#include "api/field_docs.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "api/chat_fields.h"
#include "api/completion_fields.h"

namespace tessera::api {
namespace {

struct TypeName {
  Types type;
  std::string_view name;
};
constexpr TypeName kTypeNames[] = {{kBoolean, "boolean"}, {kInteger, "integer"},
                                   {kNumber, "number"},   {kString, "string"},
                                   {kArray, "array"},     {kObject, "object"}};
constexpr std::string_view kNamePattern = "^[A-Za-z0-9_-]+$";
constexpr std::string_view kNoNulPattern = "^[^\\u0000]*$";

std::string_view effect_name(Effect effect) {
  switch (effect) {
    case Effect::kSupported:
      return "supported";
    case Effect::kNoEffect:
      return "no_effect";
    case Effect::kRefused:
      return "refused";
  }
  return "";
}

json::Value to_number(std::size_t n) {
  return json::Value(static_cast<std::int64_t>(n));
}

json::Value to_words(std::span<const std::string_view> words) {
  json::Array array;
  for (const std::string_view word : words) array.emplace_back(word);
  return array;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    words.push_back(text.substr(0, space));
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
  }
  return words;
}

// Sets what differs from "no bound".
void set_length(json::Object& object, std::string_view min, std::string_view max,
                const LengthRange& range) {
  if (range.min != LengthRange{}.min) object.set(min, to_number(range.min));
  if (range.max != LengthRange{}.max) object.set(max, to_number(range.max));
}

void set_range(json::Object& object, std::string_view min, std::string_view max,
               const Field& field) {
  if ((field.types & kNumber) != 0) {
    object.set(min, json::Value(field.number.min));
    object.set(max, json::Value(field.number.max));
  } else if ((field.types & kInteger) != 0) {
    object.set(min, json::Value(field.integer.min));
    object.set(max, json::Value(field.integer.max));
  }
}

json::Array type_list(Types types) {
  json::Array names;
  for (const auto& [type, name] : kTypeNames)
    if ((types & type) != 0) names.emplace_back(name);
  return names;
}

json::Value to_row(const Field& field) {
  json::Object row;
  row.set("path", field.path);
  row.set("types", type_list(field.types));
  row.set("effect", effect_name(field.effect));
  row.set("required", field.required);
  if (field.types != kAnything) {
    set_range(row, "min", "max", field);
    set_length(row, "min_length", "max_length", field.string);
    set_length(row, "min_items", "max_items", field.items);
  }
  row.set("letters", field.letters == Letters::kName    ? "name"
                     : field.letters == Letters::kNoNul ? "no_nul"
                                                        : "all");
  if (!field.choices.empty()) row.set("choices", to_words(field.choices));
  row.set("wrong_type", api::row(field.wrong_type).code);
  row.set("more", to_words(split(field.more)));
  row.set("absent", field.absent);
  row.set("note", field.note);
  return row;
}

json::Value to_rows(std::span<const Field> table) {
  json::Array rows;
  for (const Field& field : table) rows.push_back(to_row(field));
  return rows;
}

// ---------------------------------------------------------------- Markdown

std::string range_text(const Field& field) {
  std::string text;
  const auto add = [&text](const std::string& more) { text += (text.empty() ? "" : "; ") + more; };
  const auto length = [](const LengthRange& range, std::string_view unit) {
    if (range.max == LengthRange{}.max) return fmt::format("at least {} {}", range.min, unit);
    if (range.min == 0) return fmt::format("at most {} {}", range.max, unit);
    return fmt::format("{} to {} {}", range.min, range.max, unit);
  };
  const auto bounded = [](const LengthRange& range) {
    return range.min != 0 || range.max != LengthRange{}.max;
  };
  if (field.types == kAnything) return text;
  if ((field.types & kNumber) != 0) {
    add(fmt::format("{} to {}", field.number.min, field.number.max));
  } else if ((field.types & kInteger) != 0) {
    const IntegerRange any;
    const bool low = field.integer.min != any.min;
    const bool high = field.integer.max != any.max;
    add(!low && !high ? "64 bits"
        : high        ? fmt::format("{} to {}", field.integer.min, field.integer.max)
                      : fmt::format("at least {}", field.integer.min));
  }
  if (!field.choices.empty()) {
    std::string words;
    for (const std::string_view word : field.choices)
      words += fmt::format("{}`{}`", words.empty() ? "" : ", ", word);
    add(words);
  }
  if (bounded(field.string)) add(length(field.string, field.in_bytes ? "bytes" : "characters"));
  if (field.letters == Letters::kName) add("`A-Z a-z 0-9 _ -`");
  if (field.letters == Letters::kNoNul) add("no U+0000");
  if (bounded(field.items)) add(length(field.items, "elements"));
  return text;
}

std::string to_table_line(const Field& field) {
  std::string types;
  if (field.types == kAnything) {
    types = "any";
  } else {
    for (const auto& [type, name] : kTypeNames)
      if ((field.types & type) != 0) types += fmt::format("{}{}", types.empty() ? "" : ", ", name);
  }
  const std::string_view effect = field.effect == Effect::kSupported  ? "supported"
                                  : field.effect == Effect::kNoEffect ? "accepted, no effect"
                                                                      : "refused";
  return fmt::format("| `{}`{} | {} | {} | {} | {} | {} |\n", field.path,
                     field.required ? " (required)" : "", types, range_text(field), field.absent,
                     effect, field.note);
}

std::string to_markdown(std::string_view title, std::span<const Field> table) {
  std::string text = fmt::format(
      "### {}\n\n| field | type | range | when absent or null | what happens | note |\n"
      "|---|---|---|---|---|---|\n",
      title);
  for (const Field& field : table)
    if (!field.path.ends_with("[]") || field.types != kObject) text += to_table_line(field);
  return text;
}

// ---------------------------------------------------------------- JSON Schema

// Whether `path` is a member or an element of what is at `parent`: a step, "name", "[]" or "*".
std::string_view step_below(std::string_view path, std::string_view parent) {
  if (!path.starts_with(parent) || path.size() <= parent.size()) return {};
  std::string_view rest = path.substr(parent.size());
  if (rest == "[]") return rest;
  if (!parent.empty()) {
    if (!rest.starts_with('.')) return {};
    rest.remove_prefix(1);
  }
  return is_top_level(rest) ? rest : std::string_view{};
}

json::Value field_schema(std::span<const Field> table, const Field& field);

// Adds what the rows below `parent` say to the schema of an object or array.
void add_below(std::span<const Field> table, std::string_view parent, std::string_view type,
               json::Object& schema) {
  json::Object properties;
  json::Array required;
  for (const Field& field : table) {
    const std::string_view step = step_below(field.path, parent);
    if (step.empty() || (step == "[]") != (type == "array")) continue;
    if (step == "[]") {
      schema.set("items", field_schema(table, field));
    } else if (step == "*") {
      schema.set("additionalProperties", field_schema(table, field));
    } else {
      properties.set(step, field_schema(table, field));
      if (field.required) required.emplace_back(step);
    }
  }
  if (!properties.empty()) schema.set("properties", std::move(properties));
  if (!required.empty()) schema.set("required", std::move(required));
}

json::Object type_schema(std::span<const Field> table, const Field& field, const TypeName& type) {
  json::Object schema;
  schema.set("type", type.name);
  if (type.type == kString) {
    if (!field.choices.empty()) schema.set("enum", to_words(field.choices));
    set_length(schema, "minLength", "maxLength", field.string);  // bytes are no fewer
    if (field.letters == Letters::kName) schema.set("pattern", kNamePattern);
    if (field.letters == Letters::kNoNul) schema.set("pattern", kNoNulPattern);
  } else if (type.type == kArray) {
    set_length(schema, "minItems", "maxItems", field.items);
    add_below(table, field.path, type.name, schema);
  } else if (type.type == kObject) {
    set_length(schema, "minProperties", "maxProperties", field.items);
    add_below(table, field.path, type.name, schema);
  } else if (type.type != kBoolean) {
    set_range(schema, "minimum", "maximum", field);
  }
  return schema;
}

std::string description_of(const Field& field) {
  std::string text(field.note);
  const auto add = [&text](const std::string& more) { text += (text.empty() ? "" : " ") + more; };
  if (!field.absent.empty()) add(fmt::format("When absent: {}.", field.absent));
  if (field.effect == Effect::kNoEffect) add("Accepted without effect.");
  if (field.effect == Effect::kRefused) add("Refused.");
  return text;
}

json::Value null_schema() {
  json::Object null;
  null.set("type", "null");
  return null;
}

json::Value field_schema(std::span<const Field> table, const Field& field) {
  json::Array forms;
  if (field.effect == Effect::kRefused) {
    forms.emplace_back(null_schema());
  } else if (field.types != kAnything) {
    for (const TypeName& type : kTypeNames)
      if ((field.types & type.type) != 0) forms.emplace_back(type_schema(table, field, type));
    const bool element = field.path.ends_with("[]") || field.path.ends_with(".*");
    if (!field.required && !element) forms.emplace_back(null_schema());
  }
  json::Object schema;
  if (forms.size() == 1) {
    schema = *forms[0].if_object();
  } else if (!forms.empty()) {
    schema.set("anyOf", std::move(forms));
  }
  if (const std::string text = description_of(field); !text.empty())
    schema.set("description", text);
  return schema;
}

}  // namespace

std::string fields_as_json() {
  json::Object tables;
  tables.set("chat_completions", to_rows(chat_fields()));
  tables.set("completions", to_rows(completion_fields()));
  return json::to_text(tables);
}

std::string fields_as_markdown() {
  return to_markdown("POST /v1/chat/completions", chat_fields()) + "\n" +
         to_markdown("POST /v1/completions", completion_fields());
}

json::Value body_schema(std::span<const Field> table) {
  json::Object schema;
  schema.set("type", "object");
  add_below(table, "", "object", schema);
  return schema;
}

}  // namespace tessera::api
