#include "BlobWriter.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "Random.h"
#include "VulkanGraph_generated.h"

namespace etvk::fuzz {

namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

constexpr size_t kHeaderBytes = 30;

vkgraph::VkDataType dtype_of(DType dtype) {
  using Type = vkgraph::VkDataType;
  constexpr Type kTypes[] = {Type::BOOL,    Type::UINT8,   Type::INT8,    Type::INT32,
                             Type::FLOAT16, Type::FLOAT32, Type::FLOAT64, Type::INT64};
  return kTypes[static_cast<size_t>(dtype)];
}

class Writer {
 public:
  Writer(const Program& program, bool shares) : program_(program), shares_(shares) {}

  void write(WrittenBlob& blob, testing::Random& random) {
    const GraphDef& def = program_.def;
    std::vector<Offset<vkgraph::VkValue>> values;
    for (const ValueDef& value : def.values) {
      values.push_back(write(value));
    }
    std::vector<Offset<vkgraph::OperatorCall>> chain;
    for (size_t i = 0; i < def.chain.size(); ++i) {
      const auto name = shares_ ? builder_.CreateSharedString(def.chain[i].name)
                                : builder_.CreateString(def.chain[i].name);
      chain.push_back(vkgraph::CreateOperatorCall(builder_, static_cast<uint32_t>(i), name,
                                                  vector(def.chain[i].args, ids_)));
    }
    std::vector<Offset<vkgraph::VkBytes>> constants;
    std::vector<uint8_t> section;
    for (size_t i = 0; i < def.constants.size(); ++i) {
      const ConstantDef& constant = def.constants[i];
      if (random.chance(30)) {
        const std::string name = "constant " + std::to_string(i);
        blob.named[name] = constant;
        constants.push_back(vkgraph::CreateVkBytes(builder_, UINT64_MAX, constant.size_bytes,
                                                   builder_.CreateString(name)));
        continue;
      }
      section.resize(section.size() + random.below(4));  // they need not be aligned
      constants.push_back(vkgraph::CreateVkBytes(builder_, section.size(), constant.size_bytes, 0));
      section.insert(section.end(), constant.data, constant.data + constant.size_bytes);
    }
    const std::vector<uint32_t> inputs(def.inputs.begin(), def.inputs.end());
    const std::vector<uint32_t> outputs(def.outputs.begin(), def.outputs.end());
    const auto chain_at = builder_.CreateVector(chain);
    const auto values_at = builder_.CreateVector(values);
    const auto inputs_at = builder_.CreateVector(inputs);
    const auto outputs_at = builder_.CreateVector(outputs);
    const auto constants_at = builder_.CreateVector(constants);
    builder_.Finish(vkgraph::CreateVkGraph(builder_, 0, chain_at, values_at, inputs_at, outputs_at,
                                           constants_at),
                    vkgraph::VkGraphIdentifier());
    join(blob.bytes, section);
  }

 private:
  // One vector of the flatbuffer for equal lists, where the program shares.
  template <typename T>
  using Known = std::map<std::vector<T>, Offset<flatbuffers::Vector<T>>>;

  template <typename T>
  Offset<flatbuffers::Vector<T>> vector(const std::vector<T>& items, Known<T>& known) {
    const auto found = known.find(items);
    if (shares_ && found != known.end()) {
      return found->second;
    }
    return known[items] = builder_.CreateVector(items);
  }

  template <typename Table>
  Offset<vkgraph::VkValue> wrap(vkgraph::GraphTypes type, Offset<Table> table) {
    return vkgraph::CreateVkValue(builder_, type, table.Union());
  }

  Offset<vkgraph::VkValue> write(const ValueDef& value) {
    using Types = vkgraph::GraphTypes;
    if (const auto* integer = std::get_if<int64_t>(&value)) {
      return wrap(Types::Int, vkgraph::CreateInt(builder_, *integer));
    }
    if (const auto* number = std::get_if<double>(&value)) {
      return wrap(Types::Double, vkgraph::CreateDouble(builder_, *number));
    }
    if (const auto* boolean = std::get_if<bool>(&value)) {
      return wrap(Types::Bool, vkgraph::CreateBool(builder_, *boolean));
    }
    if (const auto* text = std::get_if<std::string>(&value)) {
      return wrap(Types::String, vkgraph::CreateString(builder_, builder_.CreateString(*text)));
    }
    if (const auto* symint = std::get_if<SymInt>(&value)) {
      return wrap(Types::SymInt,
                  vkgraph::CreateSymInt(builder_, static_cast<int32_t>(symint->value)));
    }
    if (const auto* integers = std::get_if<std::vector<int64_t>>(&value)) {
      return wrap(Types::IntList, vkgraph::CreateIntList(builder_, vector(*integers, integers_)));
    }
    if (const auto* numbers = std::get_if<std::vector<double>>(&value)) {
      return wrap(Types::DoubleList,
                  vkgraph::CreateDoubleList(builder_, builder_.CreateVector(*numbers)));
    }
    if (const auto* list = std::get_if<ValueList>(&value)) {
      return wrap(Types::ValueList, vkgraph::CreateValueList(builder_, vector(list->items, ids_)));
    }
    if (const auto* tensor = std::get_if<TensorDef>(&value)) {
      const std::vector<uint32_t> dims(tensor->dims.begin(), tensor->dims.end());
      const auto dims_at = vector(dims, dims_);
      return wrap(Types::VkTensor, vkgraph::CreateVkTensor(builder_, dtype_of(tensor->dtype),
                                                           dims_at, tensor->constant_id, -1));
    }
    return wrap(Types::Null, vkgraph::CreateNull(builder_));
  }

  void join(std::vector<uint8_t>& bytes, const std::vector<uint8_t>& section) {
    const auto put = [&bytes](size_t at, uint64_t number, size_t size) {
      for (size_t i = 0; i < size; ++i) {
        bytes[at + i] = static_cast<uint8_t>(number >> (8 * i));
      }
    };
    const size_t graph_bytes = builder_.GetSize();
    bytes.assign(kHeaderBytes, 0);
    std::memcpy(&bytes[4], "VH00", 4);
    put(10, kHeaderBytes, 4);
    put(14, graph_bytes, 4);
    put(18, kHeaderBytes + graph_bytes, 4);
    put(22, section.size(), 8);
    bytes.insert(bytes.end(), builder_.GetBufferPointer(),
                 builder_.GetBufferPointer() + graph_bytes);
    bytes.insert(bytes.end(), section.begin(), section.end());
    bytes.shrink_to_fit();  // so that a read behind its end is seen
  }

  const Program& program_;
  const bool shares_;
  FlatBufferBuilder builder_;
  Known<int32_t> ids_;
  Known<int64_t> integers_;
  Known<uint32_t> dims_;
};

bool fits_schema(const GraphDef& def) {
  return std::all_of(def.values.begin(), def.values.end(), [](const ValueDef& value) {
    if (const auto* symint = std::get_if<SymInt>(&value)) {
      return symint->value >= INT32_MIN && symint->value <= INT32_MAX;
    }
    const auto* tensor = std::get_if<TensorDef>(&value);
    return tensor == nullptr ||
           std::all_of(tensor->dims.begin(), tensor->dims.end(),
                       [](int64_t size) { return size >= 0 && size <= UINT32_MAX; });
  });
}

}  // namespace

std::optional<WrittenBlob> write_blob(const Program& program) {
  if (!fits_schema(program.def)) {
    return std::nullopt;
  }
  testing::Random random(program.seed);
  const bool shares = random.chance(60);
  WrittenBlob blob;
  Writer(program, shares).write(blob, random);
  return blob;
}

}  // namespace etvk::fuzz
