#include "graph/Blob.h"

#include <cstring>
#include <set>

#include "VulkanGraph_generated.h"  // from executorch's schema.fbs, by flatc
#include "graph/ProgramLimits.h"
#include "vk/Error.h"

namespace etvk {

namespace {

// Layout of the header, little-endian, and the mark of a constant that is in the named data.
constexpr size_t kHeaderBytes = 30;
constexpr size_t kMagicOffset = 4;
constexpr char kMagic[] = {'V', 'H', '0', '0'};
constexpr uint64_t kInNamedData = UINT64_MAX;

template <typename T>
T read_little_endian(const uint8_t* from, size_t bytes = sizeof(T)) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    value |= static_cast<uint64_t>(from[i]) << (8 * i);
  }
  return static_cast<T>(value);
}

struct Section {
  const uint8_t* data = nullptr;
  size_t size_bytes = 0;
};

struct Sections {
  Section flatbuffer;
  Section constants;
};

Sections split(const uint8_t* data, size_t size_bytes) {
  ETVK_CHECK(size_bytes >= kHeaderBytes, kInvalidProgram,
             "Vulkan blob: " << size_bytes << " bytes, its header alone has " << kHeaderBytes);
  ETVK_CHECK(std::memcmp(data + kMagicOffset, kMagic, sizeof(kMagic)) == 0, kInvalidProgram,
             "Vulkan blob: the header does not start with VH00");
  const auto section = [&](const char* name, uint64_t offset, uint64_t size) {
    ETVK_CHECK(offset <= size_bytes && size <= size_bytes - offset, kInvalidProgram,
               "Vulkan blob: " << name << " at byte " << offset << " with " << size
                               << " bytes is outside the blob of " << size_bytes);
    return Section{data + offset, static_cast<size_t>(size)};
  };
  return {section("the graph", read_little_endian<uint32_t>(data + 10),
                  read_little_endian<uint32_t>(data + 14)),
          section("the constants", read_little_endian<uint32_t>(data + 18),
                  read_little_endian<uint64_t>(data + 22))};
}

DType convert(vkgraph::VkDataType dtype) {
  switch (dtype) {
    case vkgraph::VkDataType::BOOL:
      return DType::kBool;
    case vkgraph::VkDataType::UINT8:
      return DType::kUint8;
    case vkgraph::VkDataType::INT8:
      return DType::kInt8;
    case vkgraph::VkDataType::INT32:
      return DType::kInt32;
    case vkgraph::VkDataType::FLOAT16:
      return DType::kFloat16;
    case vkgraph::VkDataType::FLOAT32:
      return DType::kFloat32;
    case vkgraph::VkDataType::FLOAT64:
      return DType::kFloat64;
    case vkgraph::VkDataType::INT64:
      return DType::kInt64;
    default:
      ETVK_FAIL(kInvalidProgram, "Vulkan blob: unknown dtype " << static_cast<int>(dtype));
  }
}

// Counts the elements of lists and names. A flatbuffer can point many values at one list, which
// would be as many lists here.
class Elements {
 public:
  explicit Elements(size_t flatbuffer_bytes) : limit_(kMaxElementsPerByte * flatbuffer_bytes) {}

  void add(uint64_t count) {
    count_ += count;
    ETVK_CHECK(count_ <= limit_, kNotSupported,
               "Vulkan blob: its lists, names and arguments have more than "
                   << limit_ << " elements, " << kMaxElementsPerByte
                   << " for each byte of the graph: the program uses the same lists too often");
  }

  template <typename To, typename From>
  std::vector<To> to_vector(const flatbuffers::Vector<From>* from) {
    if (from == nullptr) {
      return {};
    }
    add(from->size());
    return std::vector<To>(from->begin(), from->end());
  }

  std::string to_string(const flatbuffers::String* from) {
    if (from == nullptr) {
      return "";
    }
    add(from->size());
    return from->str();
  }

  // A list counts again wherever an op takes it.
  void add_arguments(const OpCall& call, const std::vector<ValueDef>& values) {
    for (ValueId id : call.args) {
      if (id < 0 || static_cast<size_t>(id) >= values.size()) {
        continue;  // refused when the graph is built
      }
      if (const auto* list = std::get_if<ValueList>(&values[id])) {
        add(list->items.size());
      } else if (const auto* integers = std::get_if<std::vector<int64_t>>(&values[id])) {
        add(integers->size());
      }
    }
  }

 private:
  uint64_t limit_;
  uint64_t count_ = 0;
};

ValueDef convert(const vkgraph::VkValue* value, Elements& elements) {
  // The verifier accepts a union whose type is set and whose table is missing.
  ETVK_CHECK(value->value() != nullptr, kInvalidProgram, "Vulkan blob: a value without content");
  switch (value->value_type()) {
    case vkgraph::GraphTypes::Null:
      return Null{};
    case vkgraph::GraphTypes::Int:
      return value->value_as_Int()->int_val();
    case vkgraph::GraphTypes::Double:
      return value->value_as_Double()->double_val();
    case vkgraph::GraphTypes::Bool:
      return value->value_as_Bool()->bool_val();
    case vkgraph::GraphTypes::String:
      return elements.to_string(value->value_as_String()->string_val());
    case vkgraph::GraphTypes::SymInt:
      return SymInt{value->value_as_SymInt()->value()};
    case vkgraph::GraphTypes::IntList:
      return elements.to_vector<int64_t>(value->value_as_IntList()->items());
    case vkgraph::GraphTypes::DoubleList:
      return elements.to_vector<double>(value->value_as_DoubleList()->items());
    case vkgraph::GraphTypes::ValueList:
      return ValueList{elements.to_vector<ValueId>(value->value_as_ValueList()->items())};
    case vkgraph::GraphTypes::VkTensor: {
      const auto* tensor = value->value_as_VkTensor();
      return TensorDef{convert(tensor->datatype()), elements.to_vector<int64_t>(tensor->dims()),
                       tensor->constant_id()};
    }
    case vkgraph::GraphTypes::BoolList:
      // No op here takes one; the serializer writes one beside each empty list.
      return elements.to_vector<int64_t>(value->value_as_BoolList()->items());
    default:
      ETVK_FAIL(kInvalidProgram, "Vulkan blob: a value of unsupported type "
                                     << static_cast<int>(value->value_type()));
  }
}

// What the program's constants lie in, and how much there is outside the blob.
struct ConstantSource {
  Section section;
  const NamedData& find;
  std::set<std::string> named;
  uint64_t named_bytes = 0;
};

ConstantDef convert(const vkgraph::VkBytes* constant, ConstantSource& source, Elements& elements) {
  const uint64_t length = constant->length();
  if (constant->offset() != kInNamedData) {
    const uint64_t offset = constant->offset();
    const Section& section = source.section;
    ETVK_CHECK(offset <= section.size_bytes && length <= section.size_bytes - offset,
               kInvalidProgram,
               "Vulkan blob: a constant of " << length << " bytes at " << offset
                                             << " is outside the constant section of "
                                             << section.size_bytes);
    return {section.data + offset, static_cast<size_t>(length)};
  }
  const std::string name = elements.to_string(constant->named_key());
  ConstantDef found = source.find(name);
  ETVK_CHECK(found.size_bytes >= length, kInvalidProgram,
             "Vulkan blob: constant '" << name << "' has " << found.size_bytes
                                       << " bytes in the named data, the graph expects " << length);
  if (source.named.insert(name).second) {
    source.named_bytes += found.size_bytes;
  }
  found.size_bytes = static_cast<size_t>(length);
  return found;
}

// Only for profiles: a number that is none does no harm.
int32_t node_number(uint32_t node_id) {
  return node_id <= INT32_MAX ? static_cast<int32_t>(node_id) : -1;
}

}  // namespace

GraphDef read_blob(const uint8_t* data, size_t size_bytes, const NamedData& named_data) {
  const Sections sections = split(data, size_bytes);
  const Section& flatbuffer = sections.flatbuffer;
  // A flatbuffer is read in place and must be aligned for its widest field; a loader need not
  // have aligned the blob.
  struct alignas(16) Group {
    uint8_t bytes[16];
  };
  std::vector<Group> copy(flatbuffer.size_bytes / sizeof(Group) + 1);
  uint8_t* start = copy.data()->bytes;
  std::memcpy(start, flatbuffer.data, flatbuffer.size_bytes);

  // Tables that many places point at count each time; on their own they have four bytes at least.
  constexpr flatbuffers::uoffset_t kMaxDepth = 64;
  const auto max_tables = static_cast<flatbuffers::uoffset_t>(flatbuffer.size_bytes / 4);
  flatbuffers::Verifier verifier(start, flatbuffer.size_bytes, kMaxDepth, max_tables);
  ETVK_CHECK(vkgraph::VkGraphBufferHasIdentifier(start) && vkgraph::VerifyVkGraphBuffer(verifier),
             kInvalidProgram, "Vulkan blob: the graph's flatbuffer is damaged");
  const vkgraph::VkGraph* graph = vkgraph::GetVkGraph(start);

  GraphDef def;
  Elements elements(flatbuffer.size_bytes);
  if (graph->values() != nullptr) {
    for (const auto* value : *graph->values()) {
      def.values.push_back(convert(value, elements));
    }
  }
  if (graph->chain() != nullptr) {
    for (const auto* call : *graph->chain()) {
      def.chain.push_back({elements.to_string(call->name()),
                           elements.to_vector<ValueId>(call->args()),
                           node_number(call->node_id())});
      elements.add_arguments(def.chain.back(), def.values);
    }
  }
  def.inputs = elements.to_vector<ValueId>(graph->input_ids());
  def.outputs = elements.to_vector<ValueId>(graph->output_ids());
  ConstantSource source{sections.constants, named_data, {}, 0};
  if (graph->constants() != nullptr) {
    for (const auto* constant : *graph->constants()) {
      def.constants.push_back(convert(constant, source, elements));
    }
  }
  def.source_bytes = size_bytes + source.named_bytes;
  return def;
}

}  // namespace etvk
