#include "graph/GraphDef.h"

#include <algorithm>
#include <sstream>

#include "vk/Error.h"

namespace etvk {

size_t dtype_bytes(DType dtype) {
  switch (dtype) {
    case DType::kBool:
    case DType::kUint8:
    case DType::kInt8:
      return 1;
    case DType::kFloat16:
      return 2;
    case DType::kInt32:
    case DType::kFloat32:
      return 4;
    case DType::kFloat64:
    case DType::kInt64:
      return 8;
  }
  ETVK_FAIL(kInternal, "unknown dtype " << static_cast<int>(dtype));
}

const char* dtype_name(DType dtype) {
  constexpr const char* kNames[] = {"bool",    "uint8",   "int8",    "int32",
                                    "float16", "float32", "float64", "int64"};
  return kNames[static_cast<size_t>(dtype)];
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::ostringstream text;
  text << "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    text << (i == 0 ? "" : ", ") << shape[i];
  }
  text << "]";
  return text.str();
}

uint64_t tensor_bytes(DType dtype, const std::vector<int64_t>& shape) {
  uint64_t bytes = dtype_bytes(dtype);
  bool is_empty = false;
  for (int64_t size : shape) {
    ETVK_CHECK(size >= 0, kInvalidProgram, "a tensor of shape " << shape_text(shape));
    is_empty = is_empty || size == 0;
    ETVK_CHECK(
        !__builtin_mul_overflow(bytes, static_cast<uint64_t>(std::max<int64_t>(size, 1)), &bytes) &&
            bytes < kMaxTensorBytes,
        kNotSupported, "a tensor of shape " << shape_text(shape) << " is too large");
  }
  return is_empty ? 0 : bytes;
}

}  // namespace etvk
