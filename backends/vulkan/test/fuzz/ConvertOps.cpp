// Conversions between dtypes.
#include <algorithm>

#include "Entry.h"
#include "graph/selfcheck/References.h"

namespace etvk::fuzz {

namespace {

const std::vector<DType> kTypes = {DType::kFloat32, DType::kInt32, DType::kInt8, DType::kUint8,
                                   DType::kBool};

// To which type is no argument: the output's is.
Result convert(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  const DType to = arguments.declared_dtype();
  for (DType dtype : {x.dtype, to}) {
    if (std::find(kTypes.begin(), kTypes.end(), dtype) == kTypes.end()) {
      throw Meaningless("a dtype that is not converted");
    }
  }
  Tensor y = zeros(to, x.sizes);
  y.accuracy = x.accuracy;
  if (to == x.dtype) {
    y.bytes = x.bytes;
    return y;
  }
  if (x.accuracy != Accuracy::kExact) {
    y.accuracy = Accuracy::kUnknown;
  } else if (to == DType::kFloat32 && x.dtype == DType::kInt32) {
    y.accuracy = Accuracy::kClose;  // of two neighbours either
  }
  y.bytes.clear();
  for (size_t i = 0; i < x.count(); ++i) {
    append_converted(y.bytes, to, &x.bytes[i * dtype_bytes(x.dtype)], x.dtype);
  }
  return y;
}

bool draw_convert(Draft& draft) {
  draft.give("self", draft.some_tensor(kTypes));
  draft.give_output_dtype(draft.random().pick(kTypes));
  return true;
}

}  // namespace

std::vector<Entry> convert_entries() {
  return {
      {"dim_order_ops._to_dim_order_copy.default", draw_convert, convert},
      {"aten._to_copy.default", draw_convert, convert},
  };
}

}  // namespace etvk::fuzz
