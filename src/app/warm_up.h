// Reads a mapped model file into the page cache and into the process's page tables before the first
// request needs it, with progress on the terminal: the first answer then does not wait for the
// disk.
#pragma once

#include "weights/gguf.h"

namespace tessera::app {

// Never fails: what could not be read now is read when it is needed.
void warm_up(const weights::GgufFile& file);

}  // namespace tessera::app
