// The schemas of grammar_bench: what clients ask for, in the mix of keywords that published schemas
// have, and what is dear to enforce. All of our own making.
#pragma once

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::bench {

using NamedSchema = std::pair<std::string, std::string>;

inline constexpr std::pair<std::string_view, std::string_view> kSchemas[] = {
    {"flat object",
     R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,
     "maximum":150},"email":{"type":"string","format":"email"},"active":{"type":"boolean"}},
     "required":["name","age"],"additionalProperties":false})"},
    {"open object",
     R"({"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]})"},
    {"list of objects",
     R"({"type":"object","properties":{"items":{"type":"array","minItems":1,"maxItems":8,"items":
     {"type":"object","properties":{"sku":{"type":"string","pattern":"^[A-Z]{3}-[0-9]{4}$"},
     "amount":{"type":"number","minimum":0,"multipleOf":0.01},"tags":{"type":"array","items":
     {"enum":["new","sale","last","gift"]}}},"required":["sku","amount","tags"],
     "additionalProperties":false}}},"required":["items"],"additionalProperties":false})"},
    {"recursive tree",
     R"({"$defs":{"node":{"type":"object","properties":{"label":{"type":"string","maxLength":20},
     "children":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["label","children"],
     "additionalProperties":false}},"$ref":"#/$defs/node"})"},
    {"tagged union",
     R"({"type":"object","properties":{"steps":{"type":"array","items":{"anyOf":[
     {"type":"object","properties":{"kind":{"const":"say"},"text":{"type":"string"}},
     "required":["kind","text"],"additionalProperties":false},
     {"type":"object","properties":{"kind":{"const":"wait"},"seconds":{"type":"integer","minimum":1,
     "maximum":3600}},"required":["kind","seconds"],"additionalProperties":false}]}}},
     "required":["steps"],"additionalProperties":false})"},
    {"formats",
     R"({"type":"object","properties":{"at":{"type":"string","format":"date-time"},"id":
     {"type":"string","format":"uuid"},"page":{"type":"string","format":"uri"},"ip":{"type":"string",
     "format":"ipv4"}},"required":["at","id","page","ip"],"additionalProperties":false})"},
    {"bounded text",
     R"({"type":"object","properties":{"title":{"type":"string","minLength":3,"maxLength":40},
     "slug":{"type":"string","pattern":"^([a-z]+-)*[a-z]+$","maxLength":60},"words":{"type":"string",
     "pattern":"^[A-Za-z0-9_ ]+$"},"free":{"type":"string","pattern":"[0-9]{2}"}},
     "required":["title","slug","words","free"],"additionalProperties":false})"},
    {"map with patterns",
     R"({"type":"object","patternProperties":{"^x-":{"type":"string"},"^[0-9]+$":{"type":"integer"}},
     "additionalProperties":{"type":"boolean"},"minProperties":2})"},
    {"unique items",
     R"({"type":"object","properties":{"codes":{"type":"array","items":{"type":"string","pattern":
     "^[A-Z]{2,5}$"},"uniqueItems":true,"maxItems":9},"words":{"type":"array","items":
     {"type":"string","maxLength":12},"uniqueItems":true,"maxItems":9},"days":{"type":"array",
     "items":{"enum":["mo","tu","we","th","fr"]},"uniqueItems":true}},
     "required":["codes","words","days"],"additionalProperties":false})"},
    {"any json object", R"({"type":"object"})"},
    {"conditions",
     R"({"type":"object","properties":{"a":{"enum":["x","y"]},"b":{"type":"string"},"c":
     {"type":"integer"}},"required":["a"],"if":{"properties":{"a":{"const":"x"}}},"then":
     {"required":["b"]},"else":{"required":["c"]},"additionalProperties":false})"},
    {"package file",
     R"({"type":"object","properties":{"name":{"type":"string","pattern":"^(?:@[a-z0-9-*~][a-z0-9-*._~]*/)?[a-z0-9-~][a-z0-9-._~]*$",
     "maxLength":214},"version":{"type":"string","pattern":"^\\d+\\.\\d+\\.\\d+$"},"private":
     {"type":"boolean"},"keywords":{"type":"array","items":{"type":"string"}},"license":{"enum":
     ["MIT","Apache-2.0","BSD-3-Clause","GPL-3.0-only"]},"scripts":{"type":"object",
     "additionalProperties":{"type":"string"}},"dependencies":{"$ref":"#/definitions/versions"},
     "devDependencies":{"$ref":"#/definitions/versions"}},"required":["name","version"],
     "definitions":{"versions":{"type":"object","additionalProperties":{"type":"string"}}}})"},
    {"place on a map",
     R"({"type":"object","properties":{"type":{"const":"Feature"},"geometry":{"oneOf":[{"type":"object",
     "properties":{"type":{"const":"Point"},"coordinates":{"type":"array","minItems":2,"maxItems":3,
     "items":{"type":"number"}}},"required":["type","coordinates"]},{"type":"object","properties":
     {"type":{"const":"LineString"},"coordinates":{"type":"array","minItems":2,"items":{"type":
     "array","items":{"type":"number","minimum":-180,"maximum":180},"minItems":2,"maxItems":2}}},
     "required":["type","coordinates"]}]},"properties":{"type":["object","null"]}},
     "required":["type","geometry","properties"]})"},
    {"settings",
     R"({"type":"object","properties":{"level":{"enum":["debug","info","warn","error"]},"port":
     {"type":"integer","minimum":1,"maximum":65535},"host":{"type":"string","format":"hostname"},
     "timeout":{"type":"number","exclusiveMinimum":0,"maximum":600},"color":{"type":"string",
     "pattern":"^#[0-9a-fA-F]{6}$"},"path":{"type":"string","pattern":"^/"},"retry":{"type":
     ["integer","null"],"minimum":0},"labels":{"type":"object","additionalProperties":{"type":
     "string","maxLength":63},"propertyNames":{"pattern":"^[a-z][a-z0-9_]*$"}}},
     "required":["level","port","host","color","path"],"additionalProperties":false})"},
    {"invoice",
     R"({"type":"object","properties":{"number":{"type":"string","pattern":"^INV-[0-9]{6}$"},"issued":
     {"type":"string","format":"date"},"customer":{"type":"object","properties":{"name":{"type":
     "string","minLength":1,"maxLength":100},"vat":{"type":"string","pattern":"^[A-Z]{2}[0-9A-Z]{2,12}$"},
     "phone":{"type":"string","pattern":"^\\+?[0-9 ()-]{7,20}$"}},"required":["name"]},"lines":
     {"type":"array","minItems":1,"items":{"type":"object","properties":{"text":{"type":"string",
     "maxLength":200},"count":{"type":"integer","minimum":1},"price":{"type":"number",
     "multipleOf":0.01}},"required":["text","count","price"],"additionalProperties":false}},
     "note":{"type":["string","null"],"maxLength":500}},"required":["number","issued","customer",
     "lines"],"additionalProperties":false})"},
    {"identifiers",
     R"({"type":"array","minItems":3,"items":{"type":"object","properties":{"id":{"type":"string","pattern":
     "^[A-Za-z_][A-Za-z0-9_]*$"},"type":{"type":"string","pattern":"^[A-Z][a-zA-Z0-9]*$"},"tag":
     {"type":"string","pattern":"^[^\\s,;]+$"},"word":{"type":"string","pattern":"^\\S+$"},"line":
     {"type":"string","pattern":"^.{1,80}$"},"mail":{"type":"string","pattern":"^[^@]+@[^@]+\\.[a-z]+$"},
     "link":{"type":"string","pattern":"^https?://"},"not":{"type":"string","not":{"enum":["a","none",
     "unknown"]}}},"required":["id","type","tag","word","line","mail","link","not"],
     "additionalProperties":false}})"},
    {"form with unions",
     R"({"type":"object","properties":{"fields":{"type":"array","maxItems":5,"items":{"oneOf":[{"type":
     "object","properties":{"kind":{"const":"text"},"max":{"type":"integer"},"hint":{"type":"string"}},
     "required":["kind"],"additionalProperties":false},{"type":"object","properties":{"kind":{"const":
     "choice"},"options":{"type":"array","items":{"anyOf":[{"type":"string"},{"type":"number"}]},
     "minItems":1}},"required":["kind","options"],"additionalProperties":false},{"type":"object",
     "properties":{"kind":{"const":"group"},"name":{"allOf":[{"type":"string"},{"minLength":2},
     {"maxLength":30}]}},"required":["kind","name"],"additionalProperties":false}]}}},
     "required":["fields"]})"},
    {"any value", R"({"type":"array","minItems":4})"},
    {"call: raw text",
     R"({"type":"object","properties":{"path":{"type":"string"},"content":{"type":"string"},"mode":
     {"enum":["create","append"]},"line":{"type":"integer"},"options":{"type":"object"},"title":
     {"type":"string","maxLength":60},"name":{"type":"string","pattern":"^[a-z_]+$"}},
     "required":["path","content","title","name"]})"},
};

// An object of `count` members, as one finds them together: texts with bounds, formats, patterns,
// lists, numbers with bounds, words.
inline std::string member_schemas(int count, int first) {
  constexpr std::string_view kKinds[] = {
      R"({"type":"string","maxLength":120})",
      R"({"type":"integer","minimum":0,"maximum":100000})",
      R"({"type":"string","format":"date-time"})",
      R"({"type":"array","items":{"type":"string","maxLength":40},"maxItems":6})",
      R"({"enum":["open","closed","waiting","unknown"]})",
      R"({"type":"string","pattern":"^[A-Z]{2,4}-[0-9]{3,8}(/[a-z0-9_.-]{1,32})?$"})",
      R"({"type":["string","null"],"format":"email"})",
      R"({"type":"boolean"})",
      R"({"type":"number","minimum":-90,"maximum":90})",
      R"({"type":"string","format":"uuid"})"};
  std::string out;
  for (int i = first; i < first + count; ++i) {
    out += fmt::format(R"({}"member_{}":{})", i == first ? "" : ",", i,
                       kKinds[static_cast<std::size_t>(i) % std::size(kKinds)]);
  }
  return out;
}

// An answer of a web service as one finds it published: sixty members, many of them addresses.
inline std::string repository_schema() {
  constexpr std::string_view kPlain[] = {
      R"({"type":"string","format":"uri"})",       R"({"type":"boolean"})",
      R"({"type":"integer","minimum":0})",         R"({"type":["string","null"]})",
      R"({"type":"string","format":"date-time"})", R"({"type":"string"})"};
  const auto members = [&](std::string_view name, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) {
      out += fmt::format(R"({}"{}_{}":{})", i == 0 ? "" : ",", name, i,
                         kPlain[static_cast<std::size_t>(i) % std::size(kPlain)]);
    }
    return out;
  };
  return R"({"type":"object","$defs":{"owner":{"type":["object","null"],"properties":{"login":{"type":
      "string","pattern":"^[A-Za-z0-9-]{1,39}$"},)" +
         members("profile", 18) +
         R"(},"required":["login"]}},"properties":{"id":{"type":"integer"},)" +
         members("link", 54) +
         R"(,"owner":{"$ref":"#/$defs/owner"},"organization":{"$ref":"#/$defs/owner"},"topics":{"type":
      "array","items":{"type":"string","pattern":"^[a-z0-9][a-z0-9-]{0,49}$"},"uniqueItems":true},
      "visibility":{"enum":["public","private","internal"]},"license":{"type":["object","null"],
      "properties":{"key":{"type":"string"},"spdx_id":{"type":["string","null"]}},"required":["key"]}},
      "required":["id","link_0","owner","topics","visibility"]})";
}

inline constexpr std::string_view kDeployment =
    R"({"type":"object","$defs":{"name":{"type":"string","pattern":"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    "maxLength":63},"amount":{"anyOf":[{"type":"string","pattern":"^[0-9]+(\\.[0-9]+)?(m|Ki|Mi|Gi)?$"},
    {"type":"number","minimum":0}]},"labels":{"type":"object","propertyNames":{"pattern":
    "^([a-z0-9.-]{1,253}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"},"additionalProperties":{"type":"string",
    "maxLength":63}},"probe":{"type":"object","properties":{"httpGet":{"type":"object","properties":
    {"path":{"type":"string","pattern":"^/"},"port":{"type":["integer","string"]}},"required":["port"]},
    "exec":{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"}}}},
    "periodSeconds":{"type":"integer","minimum":1}},"oneOf":[{"required":["httpGet"]},{"required":
    ["exec"]}]},"container":{"type":"object","properties":{"name":{"$ref":"#/$defs/name"},"image":
    {"type":"string","pattern":"^[a-z0-9./_-]+(:[A-Za-z0-9._-]{1,128})?(@sha256:[0-9a-f]{64})?$"},"args":
    {"type":"array","items":{"type":"string"}},"env":{"type":"array","items":{"type":"object",
    "properties":{"name":{"type":"string","pattern":"^[A-Za-z_][A-Za-z0-9_]*$"},"value":{"type":
    "string"}},"required":["name"]}},"ports":{"type":"array","items":{"type":"object","properties":
    {"containerPort":{"type":"integer","minimum":1,"maximum":65535},"protocol":{"enum":["TCP","UDP",
    "SCTP"]}},"required":["containerPort"]}},"resources":{"type":"object","properties":{"limits":
    {"type":"object","additionalProperties":{"$ref":"#/$defs/amount"}},"requests":{"type":"object",
    "additionalProperties":{"$ref":"#/$defs/amount"}}}},"livenessProbe":{"$ref":"#/$defs/probe"},
    "readinessProbe":{"$ref":"#/$defs/probe"}},"required":["name","image"],"additionalProperties":
    false}},"properties":{"apiVersion":{"const":"apps/v1"},"kind":{"const":"Deployment"},"metadata":
    {"type":"object","properties":{"name":{"$ref":"#/$defs/name"},"labels":{"$ref":"#/$defs/labels"},
    "annotations":{"$ref":"#/$defs/labels"}},"required":["name"]},"spec":{"type":"object","properties":
    {"replicas":{"type":"integer","minimum":0,"maximum":1000},"strategy":{"if":{"properties":{"type":
    {"const":"Recreate"}}},"then":{"properties":{"rollingUpdate":false}},"type":"object","properties":
    {"type":{"enum":["Recreate","RollingUpdate"]},"rollingUpdate":{"type":"object"}},"required":
    ["type"]},"containers":{"type":"array","minItems":1,"items":{"$ref":"#/$defs/container"}}},
    "required":["containers"],"dependentRequired":{"strategy":["replicas"]}}},"required":["apiVersion",
    "kind","metadata","spec"],"additionalProperties":false})";

// What an agent's framework offers its model: files, commands, search, tickets, messages.
inline std::string agent_tools() {
  constexpr std::string_view kVerbs[] = {"read",   "write",  "search", "list", "create",
                                         "update", "delete", "move",   "run",  "send"};
  constexpr std::string_view kThings[] = {"file", "command", "ticket", "message"};
  std::string out;
  for (const std::string_view thing : kThings) {
    for (const std::string_view verb : kVerbs) {
      out += fmt::format(
          R"({}{{"name":"{}_{}","parameters":{{"type":"object","properties":{{"path":{{"type":"string"}},
          "{}_id":{{"type":"string","pattern":"^[A-Z]{{2,5}}-[0-9]{{1,6}}$"}},"content":{{"type":"string"}},
          "title":{{"type":"string","minLength":1,"maxLength":120}},"limit":{{"type":"integer","minimum":1,
          "maximum":100}},"state":{{"enum":["open","closed","all"]}},"labels":{{"type":"array","items":
          {{"type":"string","maxLength":50}},"uniqueItems":true}},"assignee":{{"type":["string","null"],
          "format":"email"}},"since":{{"type":"string","format":"date-time"}},"recursive":{{"type":
          "boolean","default":false}},"edits":{{"type":"array","items":{{"type":"object","properties":
          {{"old_text":{{"type":"string"}},"new_text":{{"type":"string"}},"line":{{"type":"integer"}}}},
          "required":["old_text","new_text"],"additionalProperties":false}}}},"link":{{"type":"string",
          "format":"uri"}}}},"required":["path"]}}}})",
          out.empty() ? "" : ",", verb, thing, thing);
    }
  }
  return "[" + out + "]";
}

inline std::vector<NamedSchema> composed_schemas() {
  std::string nested = R"({"type":"string"})";
  for (int depth = 3; depth-- > 0;) {
    nested = R"({"type":"object","properties":{)" + member_schemas(32, depth * 32) +
             R"(,"inner":)" + nested + R"(},"required":["member_)" + std::to_string(depth * 32) +
             R"("],"additionalProperties":false})";
  }
  std::string union_of;
  for (int i = 0; i < 12; ++i) {
    union_of += fmt::format(R"({}{{"type":"object","properties":{{"type":{{"const":"kind_{}"}},{}}},
        "required":["type"],"additionalProperties":false}})",
                            i == 0 ? "" : ",", i, member_schemas(5, i * 3));
  }
  std::string tools;
  for (int i = 0; i < 20; ++i) {
    tools += fmt::format(R"({}{{"name":"tool_{}","parameters":{{"type":"object","properties":{{{}}},
        "required":["member_{}"]}}}})",
                         i == 0 ? "" : ",", i, member_schemas(10, i), i);
  }
  return {
      {"nested members", nested},
      {"list of a union", R"({"type":"array","minItems":2,"items":{"oneOf":[)" + union_of + "]}}"},
      {"map of maps",
       R"({"type":"object","propertyNames":{"pattern":"^[a-z][a-z0-9-]{0,62}$"},"minProperties":2,
           "additionalProperties":{"type":"object","additionalProperties":{"type":"string",
           "maxLength":256},"minProperties":1}})"},
      {"tools, twenty", "[" + tools + "]"},
      {"tools, agent's forty", agent_tools()},
      {"deployment", std::string(kDeployment)},
      {"repository", repository_schema()}};
}

// Those that are too large to be written down.
inline std::vector<NamedSchema> large_schemas() {
  std::string words;
  for (int i = 0; i < 2'000; ++i) {
    words += fmt::format("{}\"{}-{:x}\"", i == 0 ? "" : ",", "abcdefghijklmnop"[i % 16], i * 7919);
  }
  std::string keys;
  for (int i = 0; i < 400; ++i) {
    keys += fmt::format(R"({}"field_{:x}":{{"type":"{}"}})", i == 0 ? "" : ",", i * 31,
                        i % 3 == 0   ? "string"
                        : i % 3 == 1 ? "integer"
                                     : "boolean");
  }
  return {{"large enum", R"({"type":"array","items":{"enum":[)" + words + "]}}"},
          {"wide object", R"({"type":"object","properties":{)" + keys + "}}"},
          {"unique of an enum", R"({"type":"array","uniqueItems":true,"items":{"enum":[)" +
                                    words.substr(0, words.find(",\"a-", 20'000)) + "]}}"}};
}

}  // namespace tessera::bench
