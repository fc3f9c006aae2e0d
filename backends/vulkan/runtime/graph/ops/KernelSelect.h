// Which row of the kernel table runs an op, and over how many workgroups. The choice is a pure
// function of device, shape and rows, so it is tested for devices that are not in the machine;
// only the functions that choose read the environment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "graph/ops/KernelTable.h"
#include "vk/DeviceCaps.h"

namespace etvk {

struct WorkgroupCount;  // vk/Commands.h

// Whether the device can run the row at all; if not, `why` gets the reason.
bool kernel_fits(const KernelRow& row, const DeviceCaps& caps, std::string* why = nullptr);

// `batch` products y[M, N] = x[M, K] * w[N, K]^T.
struct LinearWork {
  uint32_t M;
  uint32_t N;
  uint32_t K;
  uint64_t batch = 1;
};

// The row of `op` that should be fastest, or null if no row can run it; the one named `tuned` if it
// can. `log` gets a line for each row of the op: its estimated cost or why it cannot run.
const KernelRow* select_linear_kernel(const KernelRow* rows, size_t count, const DeviceCaps& caps,
                                      const char* op, const LinearWork& work,
                                      std::string* log = nullptr, const std::string& tuned = "");

// select_linear_kernel() on the built-in table, under three environment variables: ETVK_KERNEL
// forces the row of that name where it is one of `op`, ETVK_TUNE=1 prefers what was measured
// fastest here (TunedKernels.h), ETVK_LOG_KERNELS=1 prints the candidates to stderr. Throws Error
// if no row can run, or if the forced one does not exist or cannot run.
const KernelRow& choose_linear_kernel(const DeviceCaps& caps, const char* op,
                                      const LinearWork& work);

// `heads` attentions of `rows` rows each, with vectors of `vector` elements.
struct AttentionWork {
  uint32_t rows;
  uint32_t vector;
  uint64_t heads;
  bool is_int8 = false;  // q, k and v
};

// The row of attention, or of q8ta_attention or float_attention as q, k and v are, that should be
// fastest, or null, as select_linear_kernel() does it; a row's tile_k is the size of the vectors
// that it has room for.
const KernelRow* select_attention_kernel(const KernelRow* rows, size_t count,
                                         const DeviceCaps& caps, const AttentionWork& work,
                                         std::string* log = nullptr);

// The same on the built-in table, under ETVK_KERNEL and ETVK_LOG_KERNELS. Throws as
// choose_linear_kernel() does.
const KernelRow& choose_attention_kernel(const DeviceCaps& caps, const AttentionWork& work);

// `rows` rows of `elements` elements each, which follow each other in memory; a multiple of four,
// at least four.
struct RowsWork {
  uint64_t rows;
  uint32_t elements;
};

// The row of `op`, which keeps rows in registers, that should be fastest, or null where another op
// has to do: without shuffles, for rows that fit into no registers, and for very short ones. `log`
// as in select_linear_kernel().
const KernelRow* select_rows_kernel(const KernelRow* rows, size_t count, const DeviceCaps& caps,
                                    const char* op, const RowsWork& work,
                                    std::string* log = nullptr);

// The same on the built-in table, under ETVK_KERNEL, which may name a row of the `other` ops as
// well, and ETVK_LOG_KERNELS. Throws where the forced row cannot run.
const KernelRow* choose_rows_kernel(const DeviceCaps& caps, const char* op,
                                    std::initializer_list<const char*> others,
                                    const RowsWork& work);

// Of the groups of four elements of a row, how many a lane of this kernel has: rounded up to one of
// a few numbers, each of which is a pipeline.
uint32_t groups_of_lane(const KernelRow& row, uint32_t elements);

// M, N >= 1; the row has been selected for them.
WorkgroupCount linear_grid(const KernelRow& row, uint32_t M, uint32_t N);

// A memory-bound op that can do some work, and how many of its units (of which a workgroup makes
// tile_m * tile_n in a pass) that is.
struct ElementwiseWork {
  const char* op;
  uint64_t count;
};

// A row that fits, of ops that do the same, both listed the least of a pass first: on a CPU the
// first row of all; elsewhere the last one whose passes keep the whole device busy. The first one
// runs on every device that computes it rightly; throws kNotSupported, with the reasons, where none
// is left.
const KernelRow& select_elementwise_kernel(const KernelRow* rows, size_t count,
                                           const DeviceCaps& caps,
                                           const std::vector<ElementwiseWork>& works);

// The same on the built-in table, or the row of these ops that ETVK_KERNEL names. Throws Error
// where that one cannot run.
const KernelRow& choose_elementwise_kernel(const DeviceCaps& caps,
                                           const std::vector<ElementwiseWork>& works);

// Whether any row of `op` can run.
bool has_kernel(const DeviceCaps& caps, const char* op);

// Lanes of a team of a reduction: threads that share the `steps` of each of `words` results, on a
// row of the table.
uint32_t reduction_lanes(const KernelRow& row, const DeviceCaps& caps, bool along_rows,
                         uint32_t words, uint32_t steps);

// The same with the workgroups that all teams take.
struct ReductionTeams {
  uint32_t lanes;
  uint32_t groups;
};

ReductionTeams reduction_teams(const KernelRow& row, const DeviceCaps& caps, bool along_rows,
                               uint32_t words, uint32_t steps);

// How many workgroups share the `steps` of each result, where `groups` of them would have one each:
// so many that the device is full, and that each lane still has some steps; at most `most`, and
// what the row can.
uint32_t reduction_parts(const KernelRow& row, const DeviceCaps& caps, uint32_t groups,
                         uint32_t lanes, uint32_t steps, uint32_t most);

// count >= 1. Elementwise kernels stride over what the largest allowed grid does not cover.
WorkgroupCount elementwise_grid(const KernelRow& row, const DeviceCaps& caps, uint32_t count);

}  // namespace etvk
