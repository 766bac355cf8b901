// What the vector units of this machine give at this moment, measured: the roof beside every figure
// that is bound by them. Multiplications and additions count one each, as in every GOP/s that we
// tell.
#pragma once

#include "cpu/isa.h"

namespace tessera::app {

enum class PeakKind {
  kInt8,     // products of 8-bit integers, summed in 32 bits, by the set's best instruction
  kFloat32,  // fused multiply-adds
};

// Operations a second of `threads` threads together, each thread's best of a few short runs; some
// 10 ms. 0 of the scalar set, which uses no vector units, and of machines that are no x86.
double measure_peak(PeakKind kind, cpu::Isa isa, int threads);

}  // namespace tessera::app
