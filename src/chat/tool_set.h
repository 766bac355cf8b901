// The request's tools as the output parser needs them: which names there are, and what JSON a
// parameter's text stands for. The text comes from the model: it is matched and parsed, never
// evaluated. Immutable; any thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "chat/request.h"

namespace tessera::chat {

class ToolSet {
 public:
  class Tool {
   public:
    Tool(const json::Value* parameters, bool custom) : parameters_(parameters), custom_(custom) {}
    // Its calls have an input, the text of its one parameter, instead of arguments.
    bool is_custom() const { return custom_; }
    bool declares_parameters() const;
    bool has_parameter(std::string_view name) const;
    // Whether argument_json() is the text as a string, whatever the text is.
    bool is_text(std::string_view name) const;
    // The same for texts that begin with `begin`.
    bool begins_text(std::string_view name, std::string_view begin) const;
    // Whether a value that begins with `begin` is an array or an object, if it is right at all.
    // False as long as only the bracket is there.
    bool is_structure(std::string_view name, std::string_view begin) const;
    // The JSON of parameter `name` whose text is `raw`: null, then the first type of its schema
    // that the text fits, strings last; a string when none does or the parameter is unknown.
    std::string argument_json(std::string_view name, std::string_view raw) const;

   private:
    // The types that the parameter's schema allows, in its order; empty when it says nothing.
    std::vector<std::string_view> types_of(std::string_view name) const;

    const json::Value* parameters_;  // JSON Schema; null when the tool has none
    bool custom_;
  };

  // Whole tool objects ({"type": "function", "function": {…}}); `custom`: which are custom.
  explicit ToolSet(std::vector<json::Value> tools, const CustomTools& custom = {});
  ToolSet(const ToolSet&) = delete;
  ToolSet& operator=(const ToolSet&) = delete;

  bool empty() const { return by_name_.empty(); }
  const Tool* find(const std::string& name) const;

 private:
  std::vector<json::Value> tools_;  // by_name_ points into it
  std::unordered_map<std::string, Tool> by_name_;
};

}  // namespace tessera::chat
