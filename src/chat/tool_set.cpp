#include "chat/tool_set.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "base/schema_types.h"

namespace tessera::chat {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) + 1 - begin);
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == b;
         });
}

// JSON out of what Python's repr of lists and dicts looks like: single quotes, True, False, None.
// The result still has to be parsed.
std::string python_literal_to_json(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      out += '"';
      for (++i; i < text.size() && text[i] != c; ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) {
          if (text[++i] != '\'') out += '\\';
          out += text[i];
        } else if (text[i] == '"') {
          out += "\\\"";
        } else {
          out += text[i];
        }
      }
      out += '"';
      continue;
    }
    constexpr std::pair<std::string_view, std::string_view> kWords[] = {
        {"True", "true"}, {"False", "false"}, {"None", "null"}};
    const auto* word = std::find_if(std::begin(kWords), std::end(kWords), [&](const auto& entry) {
      return text.substr(i).starts_with(entry.first);
    });
    if (word == std::end(kWords)) {
      out += c;
    } else {
      out += word->second;
      i += word->first.size() - 1;
    }
  }
  return out;
}

std::optional<std::string> as_number(std::string_view word, bool integer) {
  const auto parsed = json::parse(word);
  if (!parsed || parsed->if_number() == nullptr || !parsed->as_double()) return std::nullopt;
  const std::string& text = parsed->if_number()->text;
  if (!integer || text.find_first_of(".eE") == std::string::npos) return text;
  const std::optional<std::int64_t> whole = parsed->as_int64();
  return whole ? std::optional(std::to_string(*whole)) : std::nullopt;
}

std::optional<std::string> as_structure(std::string_view word, json::Type type) {
  auto parsed = json::parse(word);
  if (!parsed) parsed = json::parse(python_literal_to_json(word));
  if (!parsed || parsed->type() != type) return std::nullopt;
  return json::to_text(*parsed);
}

std::string json_string(std::string_view text) {
  std::string out;
  json::append_string(text, out);
  return out;
}

// What comes behind an array's or an object's bracket, where that can be told already. Python's
// quotes and words count as well.
std::optional<bool> opens(std::string_view text, std::string_view type) {
  const bool array = type == "array";
  if (text[0] != (array ? '[' : '{')) return false;
  const std::size_t inside = text.find_first_not_of(kSpaces, 1);
  if (inside == std::string_view::npos) return std::nullopt;
  const std::string_view firsts = array ? "]\"'[{-0123456789tfnTFN" : "}\"'";
  return firsts.find(text[inside]) != std::string_view::npos;
}

// Whether a text that begins with `begin` may fit `type`.
bool may_become(std::string_view begin, std::string_view type) {
  const std::size_t first = begin.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return true;
  const std::string_view text = begin.substr(first);
  if (type == "array" || type == "object") return opens(text, type).value_or(true);
  const std::string_view word = trim(text);
  if (type == "integer" || type == "number")
    return word.find_first_not_of("+-.0123456789eE") == std::string_view::npos;
  const auto begins = [&](std::string_view whole) {
    return word.size() <= whole.size() && equals_ignoring_case(word, whole.substr(0, word.size()));
  };
  return type == "null" ? begins("null") || begins("none") : begins("true") || begins("false");
}

// The JSON of `raw` as `type`; nothing when it does not fit.
std::optional<std::string> convert(std::string_view raw, std::string_view type) {
  const std::string_view word = trim(raw);
  if (type == "null" && (word == "null" || word == "None")) return "null";
  if (type == "boolean" && equals_ignoring_case(word, "true")) return "true";
  if (type == "boolean" && equals_ignoring_case(word, "false")) return "false";
  if (type == "integer") return as_number(word, true);
  if (type == "number") return as_number(word, false);
  if (type == "array") return as_structure(word, json::Type::kArray);
  if (type == "object") return as_structure(word, json::Type::kObject);
  return std::nullopt;
}

}  // namespace

bool ToolSet::Tool::declares_parameters() const {
  const json::Value* properties = parameters_ ? parameters_->find("properties") : nullptr;
  return properties != nullptr && properties->if_object() && !properties->if_object()->empty();
}

bool ToolSet::Tool::has_parameter(std::string_view name) const {
  return tessera::has_parameter(parameters_, name);
}

std::vector<std::string_view> ToolSet::Tool::types_of(std::string_view name) const {
  return parameter_types(parameters_, name);
}

bool ToolSet::Tool::is_text(std::string_view name) const {
  const std::vector<std::string_view> types = types_of(name);
  return std::all_of(types.begin(), types.end(), [](auto type) { return type == "string"; });
}

bool ToolSet::Tool::begins_text(std::string_view name, std::string_view begin) const {
  const std::vector<std::string_view> types = types_of(name);
  return std::none_of(types.begin(), types.end(), [&](std::string_view type) {
    return type != "string" && may_become(begin, type);
  });
}

bool ToolSet::Tool::is_structure(std::string_view name, std::string_view begin) const {
  const std::string_view wanted = begin.starts_with('{') ? "object" : "array";
  if (begin.empty() || !opens(begin, wanted).value_or(false)) return false;
  const std::vector<std::string_view> types = types_of(name);
  return std::find(types.begin(), types.end(), wanted) != types.end();
}

std::string ToolSet::Tool::argument_json(std::string_view name, std::string_view raw) const {
  const std::vector<std::string_view> types = types_of(name);
  if (std::find(types.begin(), types.end(), "null") != types.end()) {
    if (auto null = convert(raw, "null")) return *std::move(null);
  }
  for (const std::string_view type : types) {
    if (type == "string") continue;
    if (auto converted = convert(raw, type)) return *std::move(converted);
  }
  return json_string(raw);
}

ToolSet::ToolSet(std::vector<json::Value> tools, const CustomTools& custom)
    : tools_(std::move(tools)) {
  for (const json::Value& tool : tools_) {
    const json::Value* function = tool.find("function");
    if (function == nullptr) continue;
    const json::Value* name = function->find("name");
    if (name == nullptr || name->if_string() == nullptr) continue;
    by_name_.emplace(*name->if_string(),
                     Tool(function->find("parameters"), custom.contains(*name->if_string())));
  }
}

const ToolSet::Tool* ToolSet::find(const std::string& name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &it->second;
}

}  // namespace tessera::chat
