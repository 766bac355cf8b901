#include "base/schema_types.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace tessera {
namespace {

// Bounds what a schema made of references to itself costs, in subschemas looked at for one
// argument.
constexpr int kMaxSchemaVisits = 500;
constexpr std::size_t kMaxTypes = 16;

int hex_value(char c) {
  const char low = static_cast<char>(c | 32);
  return c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

// A step of a JSON pointer in a URI's fragment: %25, then ~0 and ~1.
std::string decode_step(std::string_view step) {
  std::string bytes;
  for (std::size_t i = 0; i < step.size(); ++i) {
    const bool escape = step[i] == '%' && i + 2 < step.size() && hex_value(step[i + 1]) >= 0 &&
                        hex_value(step[i + 2]) >= 0;
    bytes +=
        escape ? static_cast<char>(hex_value(step[i + 1]) * 16 + hex_value(step[i + 2])) : step[i];
    if (escape) i += 2;
  }
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char next = i + 1 < bytes.size() ? bytes[i + 1] : '\0';
    const bool escape = bytes[i] == '~' && (next == '0' || next == '1');
    out += escape ? (next == '0' ? '~' : '/') : bytes[i];
    i += escape;
  }
  return out;
}

const json::Value* find_step(const json::Value& value, const std::string& step) {
  const json::Array* array = value.if_array();
  if (array == nullptr) return value.find(step);
  std::size_t index = 0;
  const auto read = std::from_chars(step.data(), step.data() + step.size(), index);
  const bool whole = read.ec == std::errc() && read.ptr == step.data() + step.size();
  return whole && index < array->size() ? &(*array)[index] : nullptr;
}

const json::Value* resolve_reference(std::string_view reference, const json::Value& root) {
  if (!reference.starts_with('#')) return nullptr;
  reference.remove_prefix(1);
  const json::Value* value = &root;
  while (value != nullptr && reference.starts_with('/')) {
    reference.remove_prefix(1);
    const std::size_t end = std::min(reference.find('/'), reference.size());
    value = find_step(*value, decode_step(reference.substr(0, end)));
    reference.remove_prefix(end);
  }
  return reference.empty() ? value : nullptr;
}

std::string_view schema_type_of(const json::Value& value) {
  switch (value.type()) {
    case json::Type::kNull:
      return "null";
    case json::Type::kBool:
      return "boolean";
    case json::Type::kNumber:
      return value.as_int64() ? "integer" : "number";
    case json::Type::kString:
      return "string";
    case json::Type::kArray:
      return "array";
    case json::Type::kObject:
      return "object";
  }
  return "string";
}

// The types that a schema allows, in the order in which it names them.
class TypeCollector {
 public:
  explicit TypeCollector(const json::Value& root) : root_(root) {}

  void visit(const json::Value& schema) {
    if (fuel_ == 0) return;
    --fuel_;
    if (const json::Value* type = schema.find("type")) {
      if (type->if_string()) add(*type->if_string());
      if (type->if_array()) {
        for (const json::Value& item : *type->if_array()) {
          if (item.if_string()) add(*item.if_string());
        }
      }
    } else if (const json::Value* constant = schema.find("const")) {
      add(schema_type_of(*constant));
    } else if (const json::Value* list = schema.find("enum"); list && list->if_array()) {
      for (const json::Value& item : *list->if_array()) add(schema_type_of(item));
    } else if (const json::Value* reference = schema.find("$ref");
               reference && reference->if_string()) {
      const json::Value* target = resolve_reference(*reference->if_string(), root_);
      if (target != nullptr) visit(*target);
    } else {
      visit_combination(schema);
    }
  }

  const std::vector<std::string_view>& types() const { return types_; }

 private:
  void visit_combination(const json::Value& schema) {
    bool combined = false;
    for (const std::string_view keyword : {"anyOf", "oneOf", "allOf"}) {
      const json::Value* list = schema.find(keyword);
      if (list == nullptr || !list->if_array()) continue;
      combined = true;
      for (const json::Value& item : *list->if_array()) visit(item);
    }
    if (combined) return;
    if (schema.find("properties")) add("object");
    if (schema.find("items")) add("array");
  }

  void add(std::string_view type) {
    if (type == "float") type = "number";  // as Python's annotations have it
    if (std::find(types_.begin(), types_.end(), type) == types_.end() &&
        types_.size() < kMaxTypes) {
      types_.push_back(type);
    }
  }

  const json::Value& root_;
  std::vector<std::string_view> types_;
  int fuel_ = kMaxSchemaVisits;
};

bool is_false(const json::Value& schema) {
  const bool* all = schema.if_bool();
  return all != nullptr && !*all;
}

// What a member of a schema's object has to fit: its schemas in `properties`, or those of other
// names, of the schema and of those that it is combined of.
class MemberCollector {
 public:
  MemberCollector(const json::Value& root, std::string_view name) : root_(root), name_(name) {}

  void visit(const json::Value& schema) {
    if (fuel_ == 0 || schema.if_object() == nullptr) return;
    --fuel_;
    const json::Value* properties = schema.find("properties");
    if (properties != nullptr) {
      if (const json::Value* member = properties->find(name_)) named.push_back(member);
      all_properties.push_back(properties);
    }
    visit_others(schema);
    const json::Value* reference = schema.find("$ref");
    if (reference != nullptr && reference->if_string()) {
      const json::Value* target = resolve_reference(*reference->if_string(), root_);
      if (target != nullptr) visit(*target);
    }
    for (const std::string_view keyword : {"allOf", "anyOf", "oneOf"}) {
      const json::Value* list = schema.find(keyword);
      if (list == nullptr || !list->if_array()) continue;
      for (const json::Value& item : *list->if_array()) visit(item);
    }
    for (const std::string_view keyword : {"then", "else"}) {
      if (const json::Value* branch = schema.find(keyword)) visit(*branch);
    }
    for (const std::string_view keyword : {"dependentSchemas", "dependencies"}) {
      const json::Value* branches = schema.find(keyword);
      if (branches == nullptr || !branches->if_object()) continue;
      for (const auto& [key, branch] : *branches->if_object()) visit(branch);
    }
  }

  std::vector<const json::Value*> named;
  std::vector<const json::Value*> others;
  std::vector<const json::Value*> all_properties;
  bool open = false;

 private:
  void visit_others(const json::Value& schema) {
    for (const std::string_view keyword : {"additionalProperties", "unevaluatedProperties"}) {
      const json::Value* rest = schema.find(keyword);
      if (rest == nullptr) continue;
      others.push_back(rest);
      open = open || !is_false(*rest);
    }
    const json::Value* patterns = schema.find("patternProperties");
    if (patterns != nullptr && patterns->if_object()) {
      for (const auto& [pattern, member] : *patterns->if_object()) {
        others.push_back(&member);
        open = open || !is_false(member);
      }
    }
    open = open || schema.find("propertyNames") != nullptr;
  }

  const json::Value& root_;
  std::string_view name_;
  int fuel_ = kMaxSchemaVisits;
};

}  // namespace

std::vector<std::string_view> parameter_types(const json::Value* parameters,
                                              std::string_view name) {
  if (parameters == nullptr) return {};
  MemberCollector members(*parameters, name);
  members.visit(*parameters);
  TypeCollector types(*parameters);
  for (const json::Value* schema : members.named.empty() ? members.others : members.named)
    types.visit(*schema);
  return types.types();
}

FreeParameters free_parameters_of(const json::Value* parameters) {
  FreeParameters out;
  if (parameters == nullptr) return out;
  MemberCollector members(*parameters, {});
  members.visit(*parameters);
  out.any = members.open;
  TypeCollector types(*parameters);
  for (const json::Value* schema : members.others) types.visit(*schema);
  out.types = types.types();
  for (const json::Value* properties : members.all_properties) {
    if (!properties->if_object()) continue;
    for (const auto& [name, schema] : *properties->if_object()) out.named.push_back(name);
  }
  return out;
}

bool has_parameter(const json::Value* parameters, std::string_view name) {
  if (parameters == nullptr) return false;
  MemberCollector members(*parameters, name);
  members.visit(*parameters);
  return !members.named.empty();
}

}  // namespace tessera
