// pixel_shuffle as programs of the stock partitioner have it; ours have et_vk.regroup:
//   y[n, c, h * r + i, w * r + j] = x[n, c * r * r + i * r + j, h, w]
// et_vk.q8ta_pixel_shuffle also requantizes, by the inverse of the output's scale:
//   clamp(round_half_even((x - input_zero_point) * input_scale * output_inv_scale)
//         + output_zero_point, -128, 127)
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <sstream>

#include "graph/ops/impl/Grid.h"
#include "graph/ops/impl/elementwise/QuantizedTable.h"
#include "graph/ops/impl/moves/Regroup.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// Dimensions in front of the last three stay.
void add_shuffle(ComputeGraph& graph, const OpArgs& args, ValueId x) {
  const size_t rank = graph.dims(x).size();
  const int64_t factor = args.integer("upscale_factor");
  ETVK_CHECK(rank >= 3 && factor >= 1, kInvalidProgram,
             args.op() << ": a factor of " << factor << " for " << rank
                       << " dimensions; expected at least 1 and 3");
  Regroup call{args.op(), x, args.output(), {}, {}, {}, {}};
  call.counts.assign(rank, 1);
  call.groups.assign(rank, 1);
  call.pieces.assign(rank - 3, -1);
  call.pieces.insert(call.pieces.end(), {-1, factor, factor, -1, -1});
  call.counts[rank - 3] = 3;
  call.groups[rank - 2] = call.groups[rank - 1] = 2;
  const auto channels = static_cast<int64_t>(rank) - 3;
  for (int64_t dim = 0; dim <= channels; ++dim) {
    call.dims.push_back(dim);
  }
  for (int64_t piece : {3, 1, 4, 2}) {
    call.dims.push_back(channels + piece);
  }
  add_regroup(graph, call);
}

void pixel_shuffle(ComputeGraph& graph, const OpArgs& args) {
  add_shuffle(graph, args, args.tensor("self"));
}

struct Requantize {
  float scale, inverse;
  int64_t zero_point, output_zero_point;

  std::array<int8_t, 256> table() const {
    std::array<int8_t, 256> results{};
    for (int64_t x = -128; x < 128; ++x) {
      const float f = static_cast<float>(x - zero_point) * scale;
      const float q = std::nearbyint(f * inverse) + static_cast<float>(output_zero_point);
      results[static_cast<size_t>(x + 128)] = static_cast<int8_t>(std::clamp(q, -128.0f, 127.0f));
    }
    return results;
  }
};

bool is_identity(const std::array<int8_t, 256>& table) {
  for (size_t i = 0; i < table.size(); ++i) {
    if (table[i] != static_cast<int64_t>(i) - 128) {
      return false;
    }
  }
  return true;
}

Requantize read_requantize(const OpArgs& args) {
  const Requantize by{static_cast<float>(args.number("input_scale")),
                      static_cast<float>(args.number("output_inv_scale")),
                      args.integer("input_zero_point"), args.integer("output_zero_point")};
  check_grid(args.op(), {args.number("input_scale"), by.zero_point});
  check_grid(args.op(), {args.number("output_inv_scale"), by.output_zero_point});
  return by;
}

void q8ta_pixel_shuffle(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId x = args.tensor("self");
  ETVK_CHECK(graph.dtype(x) == DType::kInt8 && graph.dtype(args.output()) == DType::kInt8,
             kInvalidProgram, op << ": input and output must be int8");
  const Requantize by = read_requantize(args);
  const std::array<int8_t, 256> table = by.table();
  if (is_identity(table)) {
    add_shuffle(graph, args, x);
    return;
  }
  std::ostringstream layout;
  layout << "requantize " << std::hexfloat << by.scale << " " << by.zero_point << " " << by.inverse
         << " " << by.output_zero_point;
  const ConstantRef results = graph.add_constant(
      {nullptr, 0, layout.str(), table.size(), [table](uint8_t* to, uint64_t begin, uint64_t size) {
         std::memcpy(to, table.data() + begin, size);
       }});
  const ValueId requantized = graph.add_scratch(DType::kInt8, graph.dims(x));
  const auto record = [&graph, op, x, requantized, results](Commands& commands) {
    dispatch_table(graph, commands, op, x, requantized, graph.bind_constant(results, 256));
  };
  graph.add_node({op, {x}, {requantized}, record});
  add_shuffle(graph, args, requantized);
}

const RegisterOps registered({
    {"aten.pixel_shuffle.default", "self:tensor@either upscale_factor:integer y:out@either",
     pixel_shuffle},
    {"et_vk.q8ta_pixel_shuffle.default",
     "self:tensor input_scale:number input_zero_point:integer output_inv_scale:number "
     "output_zero_point:integer upscale_factor:integer y:out",
     q8ta_pixel_shuffle},
});

}  // namespace

}  // namespace etvk::ops
