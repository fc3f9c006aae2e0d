// The fuzzer's table of ops: for each op of the registry one entry, which says what a valid call
// looks like and what its exact result is.
#pragma once

#include <string>
#include <vector>

#include "Draft.h"
#include "Machine.h"

namespace etvk::fuzz {

struct Entry {
  const char* name;  // as in the registry's row
  // Gives arguments of a call that should be valid; false where there is nothing to give. Those
  // that it does not give are drawn by their kinds.
  bool (*draw)(Draft& draft);
  // The result by the op's definition.
  Result (*evaluate)(const Arguments& arguments);
  // Whether its kernels have so many variants that not every block of programs can afford them.
  bool many_pipelines = false;
  // Whether it is one of so many like it that each is drawn more rarely.
  bool is_one_of_many = false;
};

// Throws std::logic_error that says where to add it when there is no entry of this name.
const Entry& entry_of(const std::string& name);

// One list a family of ops, each in a file of its own.
std::vector<Entry> linear_entries();       // LinearOps.cpp
std::vector<Entry> convolution_entries();  // ConvolutionOps.cpp
std::vector<Entry> float_conv_entries();   // FloatConvolutionOps.cpp
std::vector<Entry> pool_entries();         // PoolOps.cpp
std::vector<Entry> quantize_entries();     // QuantizeOps.cpp
std::vector<Entry> move_entries();         // MoveOps.cpp
std::vector<Entry> shape_entries();        // ShapeOps.cpp
std::vector<Entry> symbolic_entries();     // SymbolicOps.cpp
std::vector<Entry> float_entries();        // FloatOps.cpp
std::vector<Entry> convert_entries();      // ConvertOps.cpp
std::vector<Entry> creation_entries();     // CreationOps.cpp
std::vector<Entry> arg_entries();          // ArgOps.cpp
std::vector<Entry> scan_entries();         // ScanOps.cpp
std::vector<Entry> gather_entries();       // GatherOps.cpp
std::vector<Entry> resample_entries();     // ResampleOps.cpp
std::vector<Entry> inset_entries();        // InsetOps.cpp
std::vector<Entry> scatter_entries();      // ScatterOps.cpp
std::vector<Entry> normalize_entries();    // NormalizeOps.cpp
std::vector<Entry> matmul_entries();       // MatmulOps.cpp
std::vector<Entry> attention_entries();    // AttentionOps.cpp
std::vector<Entry> norm_entries();         // NormOps.cpp
std::vector<Entry> rotary_entries();       // RotaryOps.cpp
std::vector<Entry> state_entries();        // StateOps.cpp

}  // namespace etvk::fuzz
