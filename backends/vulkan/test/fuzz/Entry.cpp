#include "Entry.h"

#include <map>
#include <stdexcept>

namespace etvk::fuzz {

namespace {

std::map<std::string, Entry> all_entries() {
  std::map<std::string, Entry> all;
  for (const auto& family :
       {linear_entries(),    convolution_entries(), float_conv_entries(), pool_entries(),
        quantize_entries(),  move_entries(),        shape_entries(),      symbolic_entries(),
        float_entries(),     convert_entries(),     gather_entries(),     resample_entries(),
        inset_entries(),     scatter_entries(),     normalize_entries(),  creation_entries(),
        arg_entries(),       scan_entries(),        rotary_entries(),     matmul_entries(),
        attention_entries(), norm_entries(),        state_entries()}) {
    for (const Entry& entry : family) {
      all.emplace(entry.name, entry);
    }
  }
  return all;
}

}  // namespace

const Entry& entry_of(const std::string& name) {
  static const std::map<std::string, Entry> all = all_entries();
  const auto found = all.find(name);
  if (found == all.end()) {
    throw std::logic_error("the registry has the op '" + name +
                           "', the fuzzer has no entry for it: add how it is drawn and its exact "
                           "result to its family's file in backends/vulkan/test/fuzz (Entry.h)");
  }
  return found->second;
}

}  // namespace etvk::fuzz
