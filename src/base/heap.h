// Giving memory back to the system: a large request must not leave its size behind in the heap, on
// each thread that served one. Any thread.
#pragma once

namespace tessera {

// At the start: large blocks are mapped and unmapped one by one, and little is kept free.
void configure_heap();
// Behind work that made very many small blocks: milliseconds for a hundred MiB.
void trim_heap();

}  // namespace tessera
