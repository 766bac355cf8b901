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

std::size_t kv_area_bytes(KvType type, std::size_t head_dim) {
  switch (type) {
    case KvType::kF32:
      return kKeysPerBlock * head_dim * sizeof(float);
    case KvType::kF16:
    case KvType::kBF16:
      return kKeysPerBlock * head_dim * sizeof(std::uint16_t);
    case KvType::kInt8:
      return kKeysPerBlock * (head_dim + sizeof(float));
  }
  CHECK(false);
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
