// The form that a request asks of its answer, as one grammar: response_format, tools and
// tool_choice together. Compiled grammars are kept for whoever asks for the same form again. Any
// thread; bounded by the compiler's fuel, some milliseconds for what clients send.
#pragma once

#include "base/result.h"
#include "chat/request.h"
#include "chat/service.h"
#include "grammar/cache.h"
#include "grammar/grammar.h"
#include "grammar/vocabulary.h"

namespace tessera::local {

class AnswerGrammars {
 public:
  AnswerGrammars();

  // Its masks are prepared for `vocabulary`. Null where the answer is free text without calls.
  // `in_reasoning`: it begins inside the think block, to which nothing of the form applies. A
  // refusal's param is the path of the schema's fault, "tools[1].function.parameters.properties.x".
  Result<grammar::GrammarPtr, chat::Refusal> compile(const chat::ChatRequest& request,
                                                     bool in_reasoning,
                                                     const grammar::Vocabulary& vocabulary);

 private:
  grammar::GrammarCache cache_;
};

}  // namespace tessera::local
