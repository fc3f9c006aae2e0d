#include "Program.h"

#include <cstring>
#include <limits>
#include <sstream>

#include "Random.h"

namespace etvk::fuzz {

namespace {

// Programs may be asked for any number of bytes; what has to be random is their beginning.
constexpr size_t kRandomBytes = 1 << 16;

float random_float(testing::Random& random) {
  switch (random.integer(0, 19)) {
    case 0:
      return 0.0f;
    case 1:
      return random.chance(50) ? -0.0f : 1e30f;
    case 2:
      return random.chance(50) ? std::numeric_limits<float>::infinity()
                               : -std::numeric_limits<float>::infinity();
    case 3:
      return std::numeric_limits<float>::quiet_NaN();
    case 4:
      return static_cast<float>(random.integer(-64, 64)) / 4.0f;  // halves of a step
    default:
      return random.uniform(-8.0f, 8.0f);
  }
}

std::string text(const ValueDef& value) {
  std::ostringstream out;
  const auto list = [&out](const char* kind, const auto& items) {
    out << kind << "[";
    for (size_t i = 0; i < items.size() && i < 20; ++i) {
      out << (i == 0 ? "" : ", ") << items[i];
    }
    out << (items.size() > 20 ? ", ...]" : "]");
  };
  if (std::holds_alternative<Null>(value)) {
    out << "None";
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    out << "Int " << *integer;
  } else if (const auto* number = std::get_if<double>(&value)) {
    out.precision(17);
    out << "Double " << *number;
  } else if (const auto* boolean = std::get_if<bool>(&value)) {
    out << "Bool " << *boolean;
  } else if (const auto* string = std::get_if<std::string>(&value)) {
    out << "String '" << *string << "'";
  } else if (const auto* symint = std::get_if<SymInt>(&value)) {
    out << "SymInt " << symint->value;
  } else if (const auto* tensor = std::get_if<TensorDef>(&value)) {
    out << dtype_name(tensor->dtype) << " " << shape_text(tensor->dims);
    if (tensor->constant_id != -1) {
      out << " constant " << tensor->constant_id;
    }
  } else if (const auto* integers = std::get_if<std::vector<int64_t>>(&value)) {
    list("IntList ", *integers);
  } else if (const auto* numbers = std::get_if<std::vector<double>>(&value)) {
    list("DoubleList ", *numbers);
  } else if (const auto* ids = std::get_if<ValueList>(&value)) {
    list("ValueList of %", ids->items);
  }
  return out.str();
}

}  // namespace

std::vector<uint8_t> random_bytes(uint64_t seed, DType dtype, size_t count) {
  testing::Random random(seed);
  std::vector<uint8_t> bytes(count * dtype_bytes(dtype));
  if (dtype == DType::kFloat32) {
    for (size_t at = 0; at + 4 <= bytes.size() && at < kRandomBytes; at += 4) {
      const float value = random_float(random);
      std::memcpy(&bytes[at], &value, sizeof(value));
    }
  } else if (bytes.size() <= kRandomBytes) {
    random.fill(bytes);
  } else {
    std::vector<uint8_t> begin(kRandomBytes);
    random.fill(begin);
    std::copy(begin.begin(), begin.end(), bytes.begin());
  }
  return bytes;
}

std::vector<uint8_t> input_bytes(const Program& program, size_t execution, size_t input,
                                 DType dtype, size_t count) {
  return random_bytes(program.seed * 1000003 + execution * 1009 + input, dtype, count);
}

ValueId add_constant(Program& program, DType dtype, Sizes dims, std::vector<uint8_t> bytes) {
  bytes.shrink_to_fit();
  program.constant_bytes.push_back(std::move(bytes));
  const auto& owned = program.constant_bytes.back();
  program.def.constants.push_back({owned.data(), owned.size()});
  const auto index = static_cast<int32_t>(program.def.constants.size() - 1);
  program.def.values.emplace_back(TensorDef{dtype, std::move(dims), index});
  return static_cast<ValueId>(program.def.values.size() - 1);
}

std::string describe(const Program& program) {
  const GraphDef& def = program.def;
  std::ostringstream out;
  out << "seed " << program.seed << (program.as_blob ? ", as a blob" : "")
      << (program.staged ? ", without mapped memory" : "") << "; "
      << (program.lie.empty() ? "well formed" : "lie: " + program.lie) << "\n";
  for (size_t id = 0; id < def.values.size(); ++id) {
    out << "  %" << id << " = " << text(def.values[id]) << "\n";
  }
  for (size_t i = 0; i < def.constants.size(); ++i) {
    out << "  constant " << i << ": " << def.constants[i].size_bytes << " bytes\n";
  }
  const auto ids = [&out](const std::vector<ValueId>& list) {
    for (ValueId id : list) {
      out << " %" << id;
    }
    out << "\n";
  };
  out << "  inputs:";
  ids(def.inputs);
  for (const OpCall& call : def.chain) {
    out << "  " << call.name << ":";
    ids(call.args);
  }
  out << "  outputs:";
  ids(def.outputs);
  for (size_t i = 0; i < program.executions.size(); ++i) {
    out << "  execution " << i << ":";
    for (size_t input = 0; input < program.executions[i].size(); ++input) {
      const InputSetting& setting = program.executions[i][input];
      const bool is_symint = input < def.inputs.size() && setting.sizes.empty() &&
                             static_cast<size_t>(def.inputs[input]) < def.values.size() &&
                             std::holds_alternative<SymInt>(def.values[def.inputs[input]]);
      out << " " << (is_symint ? std::to_string(setting.integer) : shape_text(setting.sizes));
    }
    out << "\n";
  }
  return out.str();
}

}  // namespace etvk::fuzz
