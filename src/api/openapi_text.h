// The hand-written part of /openapi.json: the routes, and the schemas of answers, which have the
// shapes of OpenAI's. The schemas of request bodies are set in by openapi.cpp.
#pragma once

#include <string_view>

namespace tessera::api {

inline constexpr std::string_view kOpenApiFrame = R"json({
"openapi": "3.1.0",
"info": {"title": "Tessera", "version": "",
 "description": "Chat completions compatible with OpenAI's v1 API. Null for an optional field is the same as leaving it out; unknown fields are ignored and named in the header X-Tessera-Ignored-Params."},
"servers": [{"url": "/"}],
"security": [{"key": []}],
"paths": {
 "/v1/chat/completions": {"post": {"operationId": "createChatCompletion", "summary": "Answer a chat.",
  "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ChatCompletionRequest"}}}},
  "responses": {"200": {"description": "The answer; with `stream: true` its chunks as server-sent events, and `[DONE]`.", "content": {
    "application/json": {"schema": {"$ref": "#/components/schemas/ChatCompletion"}},
    "text/event-stream": {"schema": {"$ref": "#/components/schemas/ChatCompletionChunk"}}}},
   "default": {"$ref": "#/components/responses/Error"}}}},
 "/v1/chat/completions/input_tokens": {"post": {"operationId": "countInputTokens", "summary": "A dry run: what a chat's prompt comes to, and all that would be refused.",
  "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ChatCompletionRequest"}}}},
  "responses": {"200": {"description": "The facts.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/InputTokens"}}}},
   "default": {"$ref": "#/components/responses/Error"}}}},
 "/v1/completions": {"post": {"operationId": "createCompletion", "summary": "Continue plain text.",
  "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/CompletionRequest"}}}},
  "responses": {"200": {"description": "The text; with `stream: true` its chunks as server-sent events, and `[DONE]`.", "content": {
    "application/json": {"schema": {"$ref": "#/components/schemas/Completion"}},
    "text/event-stream": {"schema": {"$ref": "#/components/schemas/CompletionChunk"}}}},
   "default": {"$ref": "#/components/responses/Error"}}}},
 "/v1/models": {"get": {"operationId": "listModels", "summary": "The models that the key may use.",
  "responses": {"200": {"description": "The list.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ModelList"}}}},
   "default": {"$ref": "#/components/responses/Error"}}}},
 "/v1/models/{model}": {"get": {"operationId": "retrieveModel", "summary": "One model.",
  "parameters": [{"name": "model", "in": "path", "required": true, "schema": {"type": "string"}}],
  "responses": {"200": {"description": "The model.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Model"}}}},
   "default": {"$ref": "#/components/responses/Error"}}}},
 "/tokenize": {"post": {"operationId": "tokenize", "summary": "Text, or a chat's prompt, as token ids.",
  "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/TokenizeRequest"}}}},
  "responses": {"200": {"description": "The tokens.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tokens"}}}},
   "default": {"$ref": "#/components/responses/Error"}}}},
 "/detokenize": {"post": {"operationId": "detokenize", "summary": "Token ids as text.",
  "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/DetokenizeRequest"}}}},
  "responses": {"200": {"description": "The text.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/DetokenizedText"}}}},
   "default": {"$ref": "#/components/responses/Error"}}}},
 "/openapi.json": {"get": {"operationId": "getOpenApi", "summary": "This document.", "security": [],
  "responses": {"200": {"description": "An OpenAPI 3.1 document.", "content": {"application/json": {"schema": {"type": "object"}}}}}}},
 "/version": {"get": {"operationId": "getVersion", "summary": "The server's version.", "security": [],
  "responses": {"200": {"description": "The version.", "content": {"application/json": {"schema": {"type": "object", "properties": {"version": {"type": "string"}}, "required": ["version"]}}}}}}},
 "/healthz": {"get": {"operationId": "getHealthz", "summary": "Whether the process lives.", "security": [],
  "responses": {"200": {"description": "Yes.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}}}}}},
 "/readyz": {"get": {"operationId": "getReadyz", "summary": "Whether requests are answered now.", "security": [],
  "responses": {"200": {"description": "Yes.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}}}, "503": {"$ref": "#/components/responses/Error"}}}}
},
"components": {
 "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key: sk-tessera-…"}},
 "headers": {
  "X-Request-Id": {"description": "The request's own, if it is harmless, or a new one.", "schema": {"type": "string"}},
  "X-RateLimit-Limit-Requests": {"description": "Requests a minute, where the tier has a limit.", "schema": {"type": "integer"}},
  "X-RateLimit-Remaining-Requests": {"description": "How many of them are left.", "schema": {"type": "integer"}},
  "X-RateLimit-Reset-Requests": {"description": "Seconds until all are.", "schema": {"type": "integer"}},
  "X-Tessera-Ignored-Params": {"description": "Fields of the request that nobody knows.", "schema": {"type": "string"}},
  "X-Tessera-Output-Digest": {"description": "Hash of the generated token ids; of a stream it is a trailer.", "schema": {"type": "string"}},
  "Retry-After": {"description": "Seconds, with 429 and 503.", "schema": {"type": "integer"}},
  "x-should-retry": {"description": "false where a retry would end the same way.", "schema": {"type": "string"}}},
 "responses": {"Error": {"description": "Why not.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}}}},
 "schemas": {}
}})json";

inline constexpr std::string_view kAnswerSchemas = R"json({
"ErrorResponse": {"type": "object", "required": ["error"], "properties": {"error": {"$ref": "#/components/schemas/Error"}}},
"Error": {"type": "object", "required": ["message", "type", "param", "code"], "properties": {
  "message": {"type": "string"}, "type": {"type": "string"},
  "param": {"type": ["string", "null"], "description": "Path of the field at fault: messages[2].content."},
  "code": {"type": ["string", "null"]}}},
"Usage": {"type": "object", "required": ["prompt_tokens", "completion_tokens", "total_tokens"], "properties": {
  "prompt_tokens": {"type": "integer"},
  "completion_tokens": {"type": "integer", "description": "Over all choices; reasoning included, the end-of-turn token not."},
  "total_tokens": {"type": "integer"},
  "prompt_tokens_details": {"type": "object", "properties": {"cached_tokens": {"type": "integer"}}},
  "completion_tokens_details": {"type": "object", "properties": {"reasoning_tokens": {"type": "integer"}}}}},
"TopLogprob": {"type": "object", "required": ["token", "logprob", "bytes"], "properties": {
  "token": {"type": "string"}, "logprob": {"type": "number"},
  "bytes": {"type": ["array", "null"], "items": {"type": "integer", "minimum": 0, "maximum": 255}}}},
"TokenLogprob": {"type": "object", "required": ["token", "logprob", "bytes", "top_logprobs"], "properties": {
  "token": {"type": "string", "description": "With U+FFFD for parts of code points; `bytes` is exact."},
  "logprob": {"type": "number"},
  "bytes": {"type": ["array", "null"], "items": {"type": "integer", "minimum": 0, "maximum": 255}},
  "top_logprobs": {"type": "array", "items": {"$ref": "#/components/schemas/TopLogprob"}}}},
"Logprobs": {"type": ["object", "null"], "required": ["content", "refusal"], "properties": {
  "content": {"type": ["array", "null"], "items": {"$ref": "#/components/schemas/TokenLogprob"}},
  "refusal": {"type": ["array", "null"], "items": {"$ref": "#/components/schemas/TokenLogprob"}}}},
"FinishReason": {"type": "string", "enum": ["stop", "length", "tool_calls", "content_filter", "function_call"]},
"FunctionToolCall": {"type": "object", "required": ["id", "type", "function"], "properties": {
  "id": {"type": "string"}, "type": {"type": "string", "enum": ["function"]},
  "function": {"type": "object", "required": ["name", "arguments"], "properties": {
    "name": {"type": "string"}, "arguments": {"type": "string", "description": "JSON text."}}}}},
"CustomToolCall": {"type": "object", "required": ["id", "type", "custom"], "properties": {
  "id": {"type": "string"}, "type": {"type": "string", "enum": ["custom"]},
  "custom": {"type": "object", "required": ["name", "input"], "properties": {"name": {"type": "string"}, "input": {"type": "string"}}}}},
"ToolCall": {"anyOf": [{"$ref": "#/components/schemas/FunctionToolCall"}, {"$ref": "#/components/schemas/CustomToolCall"}]},
"Message": {"type": "object", "required": ["role", "content", "refusal"], "properties": {
  "role": {"type": "string", "enum": ["assistant"]}, "content": {"type": ["string", "null"]}, "refusal": {"type": ["string", "null"]},
  "reasoning_content": {"type": "string", "description": "In thinking mode."},
  "tool_calls": {"type": "array", "items": {"$ref": "#/components/schemas/ToolCall"}},
  "function_call": {"type": "object", "required": ["name", "arguments"], "properties": {"name": {"type": "string"}, "arguments": {"type": "string"}}}}},
"ChatCompletion": {"type": "object", "required": ["id", "object", "created", "model", "choices"], "properties": {
  "id": {"type": "string"}, "object": {"type": "string", "enum": ["chat.completion"]}, "created": {"type": "integer"}, "model": {"type": "string"},
  "choices": {"type": "array", "items": {"type": "object", "required": ["index", "message", "logprobs", "finish_reason"], "properties": {
    "index": {"type": "integer"}, "message": {"$ref": "#/components/schemas/Message"},
    "logprobs": {"$ref": "#/components/schemas/Logprobs"}, "finish_reason": {"$ref": "#/components/schemas/FinishReason"}}}},
  "usage": {"$ref": "#/components/schemas/Usage"}, "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
  "service_tier": {"type": "string"}, "system_fingerprint": {"type": "string"}}},
"ToolCallDelta": {"type": "object", "required": ["index"], "properties": {
  "index": {"type": "integer"}, "id": {"type": "string"}, "type": {"type": "string", "enum": ["function", "custom"]},
  "function": {"type": "object", "properties": {"name": {"type": "string"}, "arguments": {"type": "string"}}},
  "custom": {"type": "object", "properties": {"name": {"type": "string"}, "input": {"type": "string"}}}}},
"ChatCompletionChunk": {"type": "object", "required": ["id", "object", "created", "model", "choices"], "properties": {
  "id": {"type": "string"}, "object": {"type": "string", "enum": ["chat.completion.chunk"]}, "created": {"type": "integer"}, "model": {"type": "string"},
  "service_tier": {"type": "string"}, "system_fingerprint": {"type": "string"},
  "choices": {"type": "array", "items": {"type": "object", "required": ["index", "delta", "finish_reason"], "properties": {
    "index": {"type": "integer"},
    "delta": {"type": "object", "properties": {"role": {"type": "string", "enum": ["assistant"]}, "content": {"type": ["string", "null"]},
      "reasoning_content": {"type": "string"}, "tool_calls": {"type": "array", "items": {"$ref": "#/components/schemas/ToolCallDelta"}},
      "function_call": {"type": "object", "properties": {"name": {"type": "string"}, "arguments": {"type": "string"}}}}},
    "logprobs": {"$ref": "#/components/schemas/Logprobs"},
    "finish_reason": {"anyOf": [{"$ref": "#/components/schemas/FinishReason"}, {"type": "null"}]}}}},
  "usage": {"anyOf": [{"$ref": "#/components/schemas/Usage"}, {"type": "null"}]},
  "obfuscation": {"type": "string"}}},
"CompletionLogprobs": {"type": ["object", "null"], "properties": {
  "tokens": {"type": "array", "items": {"type": "string"}}, "token_logprobs": {"type": "array", "items": {"type": ["number", "null"]}},
  "top_logprobs": {"type": ["array", "null"], "items": {"type": ["object", "null"], "additionalProperties": {"type": "number"}}},
  "text_offset": {"type": "array", "items": {"type": "integer"}}}},
"CompletionChoice": {"type": "object", "required": ["text", "index", "logprobs", "finish_reason"], "properties": {
  "text": {"type": "string"}, "index": {"type": "integer"}, "logprobs": {"$ref": "#/components/schemas/CompletionLogprobs"},
  "finish_reason": {"anyOf": [{"$ref": "#/components/schemas/FinishReason"}, {"type": "null"}]}}},
"Completion": {"type": "object", "required": ["id", "object", "created", "model", "choices"], "properties": {
  "id": {"type": "string"}, "object": {"type": "string", "enum": ["text_completion"]}, "created": {"type": "integer"}, "model": {"type": "string"},
  "system_fingerprint": {"type": "string"}, "choices": {"type": "array", "items": {"$ref": "#/components/schemas/CompletionChoice"}},
  "usage": {"$ref": "#/components/schemas/Usage"}}},
"CompletionChunk": {"type": "object", "required": ["id", "object", "created", "model", "choices"], "properties": {
  "id": {"type": "string"}, "object": {"type": "string", "enum": ["text_completion"]}, "created": {"type": "integer"}, "model": {"type": "string"},
  "system_fingerprint": {"type": "string"}, "choices": {"type": "array", "items": {"$ref": "#/components/schemas/CompletionChoice"}},
  "usage": {"anyOf": [{"$ref": "#/components/schemas/Usage"}, {"type": "null"}]}, "obfuscation": {"type": "string"}}},
"InputTokens": {"type": "object", "required": ["object", "model", "input_tokens", "prompt_digest", "context_window", "max_output_tokens", "would_be_rejected"], "properties": {
  "object": {"type": "string", "enum": ["chat.completion.input_tokens"]}, "model": {"type": ["string", "null"]},
  "input_tokens": {"type": ["integer", "null"]}, "prompt_digest": {"type": ["string", "null"], "description": "SHA-256 over the prompt's token ids."},
  "context_window": {"type": "integer", "description": "Of the key's tier."}, "max_output_tokens": {"type": ["integer", "null"]},
  "would_be_rejected": {"type": "array", "items": {"$ref": "#/components/schemas/Error"}}}},
"Sampling": {"type": "object", "additionalProperties": {"type": "number"}},
"Model": {"type": "object", "required": ["id", "object", "created", "owned_by"], "properties": {
  "id": {"type": "string"}, "object": {"type": "string", "enum": ["model"]}, "created": {"type": "integer"}, "owned_by": {"type": "string"},
  "root": {"type": "string"}, "parent": {"type": ["string", "null"]},
  "max_model_len": {"type": "integer"}, "context_window": {"type": "integer", "description": "Of the key's tier; the same as max_model_len."},
  "system_fingerprint": {"type": "string"}, "capabilities": {"type": "object", "additionalProperties": {"type": "boolean"}},
  "sampling_defaults": {"type": "object", "properties": {"direct": {"$ref": "#/components/schemas/Sampling"}, "thinking": {"$ref": "#/components/schemas/Sampling"}}}}},
"ModelList": {"type": "object", "required": ["object", "data"], "properties": {
  "object": {"type": "string", "enum": ["list"]}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}}},
"TokenizeRequest": {"type": "object", "description": "One of content, prompt and messages (then the fields of a chat request).", "properties": {
  "model": {"type": "string"}, "content": {"type": "string"}, "prompt": {"type": "string"}, "messages": {"type": "array"},
  "parse_special": {"type": "boolean", "description": "Control tokens that are spelt out count as such."}, "with_pieces": {"type": "boolean"}}},
"Tokens": {"type": "object", "required": ["tokens", "count", "max_model_len"], "properties": {
  "tokens": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "object"}]}}, "count": {"type": "integer"}, "max_model_len": {"type": "integer"}}},
"DetokenizeRequest": {"type": "object", "required": ["tokens"], "properties": {
  "model": {"type": "string"}, "tokens": {"type": "array", "items": {"type": "integer", "minimum": 0}}}},
"Status": {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}, "store": {"type": "string", "description": "Of keys and usage: ok, or failing."}}},
"DetokenizedText": {"type": "object", "required": ["content", "prompt"], "properties": {"content": {"type": "string"}, "prompt": {"type": "string"}}}
})json";

}  // namespace tessera::api
