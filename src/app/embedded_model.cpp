#include "app/embedded_model.h"

// The assembler takes the file in; #embed would pass megabytes through the compiler's front end.
__asm__(
    ".pushsection .rodata.tessera_demo_model, \"a\", @progbits\n"
    ".balign 64\n"
    "tessera_demo_model_begin:\n"
    ".incbin \"" TESSERA_DEMO_MODEL
    "\"\n"
    "tessera_demo_model_end:\n"
    ".popsection\n");

extern "C" {
extern const std::byte tessera_demo_model_begin[];
extern const std::byte tessera_demo_model_end[];
}

namespace tessera::app {

std::span<const std::byte> embedded_model() {
  return {tessera_demo_model_begin, tessera_demo_model_end};
}

}  // namespace tessera::app
