#include "base/heap.h"

#include <malloc.h>

namespace tessera {

#ifdef __GLIBC__

// Without these glibc raises both limits to what was freed last, up to 64 MiB kept on each thread.
void configure_heap() {
  mallopt(M_MMAP_THRESHOLD, 2 << 20);
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
}

void trim_heap() {
  malloc_trim(0);
}

#else

void configure_heap() {}
void trim_heap() {}

#endif

}  // namespace tessera
