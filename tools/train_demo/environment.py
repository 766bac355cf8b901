"""Process environment for fast training on a shared CPU, set by starting the interpreter anew.

Measured on 4 cores with one process of three threads, in tokens/s of the demo model: 3,900 as started, 4,500 without
the allocator giving memory back (page faults), 5,300 without OpenBLAS's own threads spinning beside OpenMP's, 5,700
with OpenBLAS on OpenMP. Three processes of one thread each (parallel.py) then make 7,500 of it.
"""
import os
import pathlib
import sys

OPENBLAS = pathlib.Path("/usr/lib/x86_64-linux-gnu/openblas-openmp")  # libopenblas0-openmp
TCMALLOC = pathlib.Path("/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4")  # libtcmalloc-minimal4


def restart_with(threads):
    """Call before torch is imported. Optional libraries are used where they are installed."""
    if os.environ.get("TRAIN_DEMO_ENVIRONMENT"):
        return
    settings = {"TRAIN_DEMO_ENVIRONMENT": "1", "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive",
                "OPENBLAS_NUM_THREADS": str(threads), "OPENBLAS_THREAD_TIMEOUT": "4"}
    if OPENBLAS.exists():
        settings["LD_LIBRARY_PATH"] = f"{OPENBLAS}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    if TCMALLOC.exists():
        settings.update(LD_PRELOAD=str(TCMALLOC), TCMALLOC_RELEASE_RATE="0")
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **settings})
