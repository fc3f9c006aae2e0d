// Reads a delegate blob in the format of ExecuTorch's own Vulkan serializer: a 30-byte header, a
// flatbuffer (schema.fbs of the installed executorch) and raw constant bytes. The blob is not
// trusted: everything is verified and bounds-checked before it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "graph/GraphDef.h"

namespace etvk {

// Finds constant bytes that live outside the blob, by name; they must stay valid as long as the
// GraphDef is used. Throws kInvalidProgram when there is no such name.
using NamedData = std::function<ConstantDef(const std::string& name)>;

// The returned constants point into `data` and into what `named_data` gave. Throws kInvalidProgram
// with the offset or index of what is wrong.
GraphDef read_blob(const uint8_t* data, size_t size_bytes, const NamedData& named_data);

}  // namespace etvk
