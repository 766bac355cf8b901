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

bool has_scheme(std::string_view uri) {
  const std::size_t end = uri.find_first_of(":/?#");
  return end != std::string_view::npos && end > 0 && uri[end] == ':';
}

// RFC 3986, section 5.2, as far as schemas need it.
std::string resolve_uri(std::string_view base, std::string_view reference) {
  if (base.empty() || has_scheme(reference)) return std::string(reference);
  if (reference.empty() || reference.front() == '#') return std::string(base).append(reference);
  const std::size_t authority = base.find("://");
  if (has_scheme(base) && authority == std::string_view::npos) return std::string(reference);
  const std::size_t root = authority == std::string_view::npos
                               ? 0
                               : std::min(base.find('/', authority + 3), base.size());
  if (reference.starts_with("//")) {
    return std::string(base.substr(0, base.find(':') + 1)).append(reference);
  }
  if (reference.front() == '/') return std::string(base.substr(0, root)).append(reference);
  const std::size_t slash = base.rfind('/');
  std::string out(base.substr(0, root));
  std::string path;
  if (slash != std::string_view::npos && slash >= root) path = base.substr(root, slash + 1 - root);
  if (path.empty() && root > 0) path = "/";
  while (reference.starts_with("./") || reference.starts_with("../")) {
    const bool up = reference[1] == '.';
    reference.remove_prefix(up ? 3 : 2);
    if (up && path.size() > 1) path.resize(path.rfind('/', path.size() - 2) + 1);
  }
  return out.append(path).append(reference);
}

}  // namespace

SchemaDocument::SchemaDocument(const json::Value& root, Budget& budget) : root_(root) {
  if (const json::Value* version = root.find("$schema")) {
    if (const std::string* name = version->if_string()) {
      ref_stands_alone_ = name->find("draft-0") != std::string::npos;
      is_2019_ = name->find("2019-09") != std::string::npos;
    }
  }
  index(root, "", budget);
}

std::string SchemaDocument::enter_names(const json::Value& part, std::string base) {
  const auto text_of = [&](std::string_view key) {
    const json::Value* value = part.find(key);
    return value == nullptr ? nullptr : value->if_string();
  };
  const bool hidden = ref_stands_alone_ && text_of("$ref") != nullptr;
  for (const std::string_view key : {"$id", "id"}) {
    const std::string* id = text_of(key);
    if (id == nullptr || hidden) continue;
    if (id->starts_with("#")) {
      names_.emplace(base + *id, &part);
      continue;
    }
    // Without a scheme, a path or a draft that has it, `id` is a word like any other.
    if (key == "id" && &part != &root_ && id->find_first_of("/:.") == std::string::npos &&
        !ref_stands_alone_) {
      continue;
    }
    base = resolve_uri(base, *id);
    base.resize(std::min(base.find('#'), base.size()));
    names_.emplace(base, &part);
    if (&part == &root_) root_base_ = base;
  }
  for (const std::string_view key : {"$anchor", "$dynamicAnchor"}) {
    const std::string* anchor = text_of(key);
    if (anchor == nullptr) continue;
    names_.emplace(base + '#' + *anchor, &part);
    ++dynamic_names_[*anchor];
    if (key == "$dynamicAnchor" && base == root_base_) {
      const auto [found, fresh] = root_anchors_.emplace(*anchor, &part);
      if (!fresh) found->second = nullptr;
    }
  }
  const json::Value* recursive = part.find("$recursiveAnchor");
  if (recursive != nullptr && &part != &root_) ++dynamic_names_[""];
  return base;
}

void SchemaDocument::index(const json::Value& part, std::string base, Budget& budget) {
  if (!budget.spend(4 + base.size() / 16)) return;
  if (const json::Object* object = part.if_object()) {
    base = enter_names(part, std::move(base));
    for (const auto& [key, child] : *object) {
      if (key.starts_with("unevaluated")) has_unevaluated_ = true;
      const bool refers = key == "$ref" || key == "$dynamicRef" || key == "$recursiveRef";
      if (refers && base != root_base_) {
        budget.take(base.size() + 64);
        bases_.emplace(&child, base);
      }
      if (key != "enum" && key != "const" && key != "default" && key != "examples") {
        index(child, base, budget);
      }
    }
  }
  if (const json::Array* array = part.if_array()) {
    for (const json::Value& child : *array) index(child, base, budget);
  }
}

Result<const json::Value*, GrammarError> SchemaDocument::resolve(std::string_view reference,
                                                                 const json::Value& at) const {
  const auto base = bases_.find(&at);
  const std::string full = resolve_uri(base == bases_.end() ? root_base_ : base->second, reference);
  const std::size_t hash = std::min(full.find('#'), full.size());
  const std::string place = full.substr(0, hash);
  const std::string_view fragment = std::string_view(full).substr(std::min(hash + 1, full.size()));
  const json::Value* target = nullptr;
  if (place.empty() || place == root_base_) target = &root_;
  if (const auto found = names_.find(place); found != names_.end()) target = found->second;
  if (target == nullptr) {
    return error(GrammarErrorCode::kUnsupportedSchema,
                 "$ref leads out of the schema; remote schemas are not fetched", at);
  }
  if (fragment.empty()) return target;
  const auto pointer = decode_percent(fragment);
  if (pointer && pointer->starts_with("/")) {
    target = find_pointer(*target, *pointer);
    // Many an `$id` was not meant to change what pointers start from.
    if (target == nullptr && reference.starts_with("#")) target = find_pointer(root_, *pointer);
  } else {
    auto found = names_.find(full);
    if (found == names_.end()) found = names_.find(root_base_ + '#' + std::string(fragment));
    target = found == names_.end() ? nullptr : found->second;
  }
  if (target == nullptr) {
    return error(GrammarErrorCode::kInvalidSchema, "$ref names nothing in the schema", at);
  }
  return target;
}

Result<const json::Value*, GrammarError> SchemaDocument::resolve_dynamic(
    std::string_view keyword, std::string_view reference, const json::Value& at) const {
  TRY_ASSIGN(const json::Value* target, resolve(reference, at));
  const std::size_t hash = std::min(reference.find('#'), reference.size());
  const std::string name(reference.substr(std::min(hash + 1, reference.size())));
  if (keyword == "$recursiveRef") {
    const auto is_anchor = [](const json::Value& part) {
      const json::Value* anchor = part.find("$recursiveAnchor");
      return anchor != nullptr && anchor->if_bool() != nullptr && *anchor->if_bool();
    };
    if (!is_anchor(*target)) return target;
    if (is_anchor(root_)) return &root_;
  } else {
    const json::Value* anchor = target->find("$dynamicAnchor");
    if (anchor == nullptr || anchor->if_string() == nullptr || *anchor->if_string() != name)
      return target;
    const auto found = root_anchors_.find(name);
    if (found != root_anchors_.end() && found->second != nullptr) return found->second;
  }
  const auto found = dynamic_names_.find(name);
  if (found == dynamic_names_.end() || found->second == 1) return target;
  return error(GrammarErrorCode::kUnsupportedSchema,
               "keyword " + std::string(keyword) + " with several targets", at);
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
