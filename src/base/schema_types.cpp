#include "base/schema_types.h"

#include <algorithm>

namespace tessera {
namespace {

// Bounds what a schema made of references to itself costs, in subschemas looked at for one
// argument.
constexpr int kMaxSchemaVisits = 500;
constexpr std::size_t kMaxTypes = 16;

const json::Value* resolve_reference(std::string_view reference, const json::Value& root) {
  if (!reference.starts_with('#')) return nullptr;
  reference.remove_prefix(1);
  const json::Value* value = &root;
  while (value != nullptr && reference.starts_with('/')) {
    reference.remove_prefix(1);
    const std::size_t end = std::min(reference.find('/'), reference.size());
    value = value->find(reference.substr(0, end));
    reference.remove_prefix(end);
  }
  return value;
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
    if (std::find(types_.begin(), types_.end(), type) == types_.end() &&
        types_.size() < kMaxTypes) {
      types_.push_back(type);
    }
  }

  const json::Value& root_;
  std::vector<std::string_view> types_;
  int fuel_ = kMaxSchemaVisits;
};

}  // namespace

std::vector<std::string_view> parameter_types(const json::Value* parameters,
                                              std::string_view name) {
  if (parameters == nullptr) return {};
  const json::Value* properties = parameters->find("properties");
  const json::Value* schema = properties == nullptr ? nullptr : properties->find(name);
  if (schema == nullptr) schema = parameters->find("additionalProperties");
  if (schema == nullptr) return {};
  TypeCollector collector(*parameters);
  collector.visit(*schema);
  return collector.types();
}

}  // namespace tessera
