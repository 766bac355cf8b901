#include "grammar/schema.h"

#include <optional>
#include <utility>

#include "grammar/decimal.h"

namespace tessera::grammar {
namespace {

std::optional<std::string> decode_percent(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char low = static_cast<char>(c | 32);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0)
      return std::nullopt;
    out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  return out;
}

std::string decode_token(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1')) {
      out += token[++i] == '0' ? '~' : '/';
    } else {
      out += token[i];
    }
  }
  return out;
}

std::string encode_token(std::string_view token) {
  std::string out;
  for (const char c : token) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

// `pointer` is empty or begins with '/'.
const json::Value* find_pointer(const json::Value& root, std::string_view pointer) {
  const json::Value* at = &root;
  while (!pointer.empty()) {
    const std::size_t end = std::min(pointer.find('/', 1), pointer.size());
    const std::string token = decode_token(pointer.substr(1, end - 1));
    pointer.remove_prefix(end);
    if (const json::Array* array = at->if_array()) {
      if (token.empty() || token.size() > 9 ||
          token.find_first_not_of("0123456789") != std::string::npos) {
        return nullptr;
      }
      const std::size_t index = std::stoul(token);
      at = index < array->size() ? &(*array)[index] : nullptr;
    } else {
      at = at->find(token);
    }
    if (at == nullptr) return nullptr;
  }
  return at;
}

bool find_path(const json::Value& from, const json::Value& part, std::string& path) {
  if (&from == &part) return true;
  const std::size_t size = path.size();
  const auto descend = [&](const std::string& token, const json::Value& child) {
    path += "/" + encode_token(token);
    if (find_path(child, part, path)) return true;
    path.resize(size);
    return false;
  };
  if (const json::Object* object = from.if_object()) {
    for (const auto& [key, child] : *object) {
      if (descend(key, child)) return true;
    }
  }
  if (const json::Array* array = from.if_array()) {
    for (std::size_t i = 0; i < array->size(); ++i) {
      if (descend(std::to_string(i), (*array)[i])) return true;
    }
  }
  return false;
}

}  // namespace

SchemaDocument::SchemaDocument(const json::Value& root, Budget& budget) : root_(root) {
  if (const json::Value* version = root.find("$schema")) {
    if (const std::string* name = version->if_string()) {
      ref_stands_alone_ = name->find("draft-0") != std::string::npos;
    }
  }
  index(root, budget);
}

void SchemaDocument::index(const json::Value& part, Budget& budget) {
  if (!budget.spend(4)) return;
  if (const json::Object* object = part.if_object()) {
    for (const auto& [key, child] : *object) {
      const std::string* text = child.if_string();
      if (text != nullptr && key == "$anchor") names_.emplace("#" + *text, &part);
      if (text != nullptr && (key == "$id" || key == "id")) {
        const bool anchor = text->starts_with("#");
        if (anchor || text->find(':') != std::string::npos || &part == &root_) {
          names_.emplace(*text, &part);
        }
      }
      if (key != "enum" && key != "const" && key != "default" && key != "examples") {
        index(child, budget);
      }
    }
  }
  if (const json::Array* array = part.if_array()) {
    for (const json::Value& child : *array) index(child, budget);
  }
}

Result<const json::Value*, GrammarError> SchemaDocument::resolve(std::string_view reference,
                                                                 const json::Value& at) const {
  const std::size_t hash = reference.find('#');
  const std::string_view base = reference.substr(0, hash);
  const std::string_view fragment =
      hash == std::string_view::npos ? std::string_view() : reference.substr(hash + 1);
  const json::Value* target = &root_;
  if (!base.empty()) {
    auto found = names_.find(std::string(base));
    if (found == names_.end()) found = names_.find(std::string(base) + "#");
    if (found == names_.end()) {
      return error(GrammarErrorCode::kUnsupportedSchema,
                   "$ref leads out of the schema; remote schemas are not fetched", at);
    }
    target = found->second;
  }
  if (fragment.empty()) return target;
  const auto pointer = decode_percent(fragment);
  if (pointer && pointer->starts_with("/")) {
    target = find_pointer(*target, *pointer);
  } else {
    const auto found = names_.find("#" + std::string(fragment));
    target = found == names_.end() ? nullptr : found->second;
  }
  if (target == nullptr) {
    return error(GrammarErrorCode::kInvalidSchema, "$ref names nothing in the schema", at);
  }
  return target;
}

std::string SchemaDocument::path_of(const json::Value& part) const {
  std::string path;
  find_path(root_, part, path);
  return path;
}

Unexpected<GrammarError> SchemaDocument::error(GrammarErrorCode code, std::string message,
                                               const json::Value& at) const {
  return fail(code, std::move(message), path_of(at));
}

bool equal(const json::Value& a, const json::Value& b) {
  if (a.type() != b.type()) return false;
  switch (a.type()) {
    case json::Type::kNull:
      return true;
    case json::Type::kBool:
      return *a.if_bool() == *b.if_bool();
    case json::Type::kNumber:
      return parse_decimal(a.if_number()->text) == parse_decimal(b.if_number()->text);
    case json::Type::kString:
      return *a.if_string() == *b.if_string();
    case json::Type::kArray: {
      const json::Array& x = *a.if_array();
      const json::Array& y = *b.if_array();
      if (x.size() != y.size()) return false;
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (!equal(x[i], y[i])) return false;
      }
      return true;
    }
    case json::Type::kObject: {
      if (a.if_object()->size() != b.if_object()->size()) return false;
      for (const auto& [key, value] : *a.if_object()) {
        const json::Value* other = b.find(key);
        if (other == nullptr || !equal(value, *other)) return false;
      }
      return true;
    }
  }
  return false;
}

}  // namespace tessera::grammar
