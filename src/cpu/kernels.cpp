#include "cpu/kernels.h"

#include "base/check.h"
#include "cpu/kernels_isa.h"

namespace tessera::cpu {
namespace {

const Kernels::TypeKernels* find(const Kernels& table, weights::TensorType type) {
  for (const Kernels::TypeKernels& row : table.types) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

}  // namespace

MatmulFunction Kernels::matmul(weights::TensorType type) const {
  const TypeKernels* row = find(*this, type);
  return row == nullptr ? nullptr : row->matmul;
}

Int8MatmulFunction Kernels::int8_matmul(weights::TensorType type) const {
  const TypeKernels* row = find(*this, type);
  return row == nullptr ? nullptr : row->int8_matmul;
}

DequantiseFunction Kernels::dequantise(weights::TensorType type) const {
  const TypeKernels* row = find(*this, type);
  return row == nullptr ? nullptr : row->dequantise;
}

StoreFunction Kernels::store(weights::TensorType type) const {
  const TypeKernels* row = find(*this, type);
  return row == nullptr ? nullptr : row->store;
}

AttendFunction Kernels::attend_span(weights::TensorType type) const {
  const TypeKernels* row = find(*this, type);
  return row == nullptr ? nullptr : row->attend_span;
}

const Kernels& kernels(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return avx512::table();
  if (isa == Isa::kAvx2) return avx2::table();
#endif
  CHECK(isa == Isa::kScalar);
  return scalar::table();
}

bool kernels_support(weights::TensorType type) {
  return find(scalar::table(), type) != nullptr;
}

}  // namespace tessera::cpu
