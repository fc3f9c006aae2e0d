// Programs in the serialized form that runtime/graph/Blob.h reads.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "Program.h"

namespace etvk::fuzz {

struct WrittenBlob {
  std::vector<uint8_t> bytes;
  std::map<std::string, ConstantDef> named;  // constants outside of it, which the program owns
};

// Nothing where the schema cannot hold the program: its sizes are uint32, its symbolic integers
// int32. Equal lists, tensors and names share their bytes, or not, as drawn.
std::optional<WrittenBlob> write_blob(const Program& program);

}  // namespace etvk::fuzz
