#include "graph/ops/KernelSelect.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <vector>

#include "graph/ops/TunedKernels.h"
#include "vk/Commands.h"
#include "vk/Environment.h"
#include "vk/Error.h"

namespace etvk {

namespace {

uint64_t ceil_div(uint64_t value, uint64_t by) { return (value + by - 1) / by; }

// Workgroups that a device runs at the same time. Vulkan does not tell, and a guess within a factor
// of two is enough: it only decides between large tiles and enough workgroups.
double concurrent_workgroups(DeviceType type) {
  switch (type) {
    case DeviceType::kDiscrete:
    case DeviceType::kVirtual:
      return 128;
    case DeviceType::kIntegrated:
      return 16;
    case DeviceType::kCpu:
    case DeviceType::kOther:
      return 8;
  }
  return 8;
}

// Cost of one product relative to the packed dot product.
double product_cost(KernelPath path) {
  switch (path) {
    case KernelPath::kCoopmat:
    case KernelPath::kSkinnyCoopmat:
      return 0.125;
    case KernelPath::kDot4:
    case KernelPath::kGemvDot4:
      return 1;
    default:
      return 4;
  }
}

// CPU rows, measured on lavapipe: each step along K loads four groups of weights for one vector of
// threads, and each row of x costs a quarter of that, or an eighth if it is spread by a shuffle.
double cpu_cost(const KernelRow& row, const DeviceCaps& caps, double groups) {
  const double vectors =
      static_cast<double>(ceil_div(row.workgroup_size, std::max(caps.subgroup_size, 1u)));
  const double row_cost = (row.features & kFeatureSubgroupShuffle) != 0 ? 0.5 : 1;
  return groups * vectors * (4 + row_cost * row.tile_m);
}

// Tiles in shared memory: waves of workgroups times the products of one. A thread with more outputs
// reads less shared memory per product, a larger tile less device memory.
double tile_cost(const KernelRow& row, const DeviceCaps& caps, double groups) {
  const double outputs = static_cast<double>(row.tile_m) * row.tile_n;
  const double shared_reads = 4 / std::sqrt(outputs / row.workgroup_size);
  const double device_reads = 8.0 / row.tile_m + 8.0 / row.tile_n;
  const double waves = std::ceil(groups / concurrent_workgroups(caps.type));
  return waves * outputs * product_cost(row.path) * (1 + shared_reads + device_reads);
}

// Cooperative matrices, in outputs of an H200, where this was measured (docs/benchmarks.md): a wave
// costs its outputs, its steps along K and a fixed part, filling and emptying the pipeline; with
// four subgroups instead of eight alone on a multiprocessor it takes 1.4 times as long. Waves
// overlap where several workgroups fit into the shared memory of a multiprocessor, which is all
// that one may have there. Rows of x that a tile has beyond M are read for nothing. With many rows
// of x, smaller tiles read operands more often, and half of the time goes to steps along K, be they
// full or not.
double coopmat_cost(const KernelRow& row, const DeviceCaps& caps, double groups,
                    const LinearWork& work) {
  const uint32_t M = work.M;
  const uint32_t K = work.K;
  const double outputs = static_cast<double>(row.tile_m) * row.tile_n;
  const double steps = std::ceil(static_cast<double>(K) / row.tile_k);
  const double wave =
      (5000 + outputs + 100 * steps) * (row.workgroup_size / row.subgroup_size >= 8 ? 1 : 1.4);
  const double waves = std::ceil(groups / concurrent_workgroups(caps.type));
  const uint32_t resident = caps.max_shared_bytes / row.shared_bytes;
  const double overlap = waves == 1 ? 1 : resident >= 4 ? 0.45 : resident >= 2 ? 0.65 : 1;
  constexpr uint32_t kManyRows = 4096;
  const double reads = 1 + K / 4096.0 * (64.0 / row.tile_m + 64.0 / row.tile_n - 1);
  const double many_rows = M < kManyRows ? 1 : reads * (1 + steps * row.tile_k / K) / 2;
  const double unused_rows = ceil_div(M, row.coopmat_m) * row.coopmat_m < row.tile_m ? 1.5 : 1;
  return waves * wave * overlap * many_rows * unused_rows * product_cost(row.path);
}

// Matrix-vector rows read the weights once per tile_m rows of x; what they compute comes second.
// Threads beyond the end of K idle. Workgroups below 128 threads keep too few loads in flight: 1.15
// times as long on an H200.
double gemv_cost(const KernelRow& row, double groups, uint32_t K) {
  const double idle = static_cast<double>(ceil_div(K, row.tile_k)) * row.tile_k / K;
  const double in_flight = row.workgroup_size >= 128 ? 1 : 1.15;
  return groups * row.tile_n * (4 + product_cost(row.path) * row.tile_m / 4) * idle * in_flight;
}

// Costs are compared within rows of the same preference only.
enum class Preference { kMeantFor, kPossible };

bool is_gemv(KernelPath path) {
  return path == KernelPath::kGemvDot4 || path == KernelPath::kGemvScalar;
}

Preference preference(const KernelRow& row, const DeviceCaps& caps, uint32_t M, uint32_t skinny_m) {
  if (caps.type == DeviceType::kCpu || row.path == KernelPath::kCpu) {
    const bool both = caps.type == DeviceType::kCpu && row.path == KernelPath::kCpu;
    return both ? Preference::kMeantFor : Preference::kPossible;
  }
  const bool meant = is_gemv(row.path) == (M <= skinny_m) && (row.max_m == 0 || M <= row.max_m);
  return meant ? Preference::kMeantFor : Preference::kPossible;
}

// Up to which M the weights are read by matrix-vector rows. A cooperative matrix has 16 rows of x
// for the price of one, so that they are only worth it for very few.
uint32_t skinny_limit(const std::vector<const KernelRow*>& usable) {
  constexpr uint32_t kWithCoopmat = 4;
  uint32_t limit = 0;
  bool has_coopmat = false;
  for (const KernelRow* row : usable) {
    limit = std::max(limit, row->max_m);
    has_coopmat = has_coopmat || uses_coopmat(*row);
  }
  return has_coopmat ? std::min(limit, kWithCoopmat) : limit;
}

struct Candidate {
  const KernelRow* row;
  Preference preference;
  double cost;

  bool operator<(const Candidate& other) const {
    return preference != other.preference ? preference < other.preference : cost < other.cost;
  }
};

bool grid_fits(const KernelRow& row, const DeviceCaps& caps, uint32_t M, uint32_t N,
               std::string* why) {
  const uint64_t groups = std::max(ceil_div(M, row.tile_m), ceil_div(N, row.tile_n));
  if (groups <= caps.max_workgroup_count) {
    return true;
  }
  *why = std::to_string(groups) + " workgroups in one direction, the device has " +
         std::to_string(caps.max_workgroup_count);
  return false;
}

Candidate rate(const KernelRow& row, const DeviceCaps& caps, const LinearWork& work,
               uint32_t skinny_m) {
  const auto groups =
      static_cast<double>(work.batch * ceil_div(work.M, row.tile_m) * ceil_div(work.N, row.tile_n));
  const double cost = row.path == KernelPath::kCpu ? cpu_cost(row, caps, groups)
                      : uses_coopmat(row)          ? coopmat_cost(row, caps, groups, work)
                      : is_gemv(row.path)          ? gemv_cost(row, groups, work.K)
                                                   : tile_cost(row, caps, groups);
  return {&row, preference(row, caps, work.M, skinny_m), cost};
}

// The first of the candidates in order, the one named `tuned` before all; a line for each.
const KernelRow* best_of(std::vector<Candidate>& candidates, const std::string& tuned,
                         std::ostringstream& lines) {
  std::stable_sort(candidates.begin(), candidates.end());
  std::stable_partition(candidates.begin(), candidates.end(),
                        [&](const Candidate& one) { return one.row->name == tuned; });
  const KernelRow* best = nullptr;
  for (const Candidate& candidate : candidates) {
    lines << "  " << candidate.row->name << ": cost " << candidate.cost
          << (candidate.preference == Preference::kMeantFor ? "" : ", meant for other devices or M")
          << (candidate.row->name == tuned ? ", tuned" : "")
          << (best == nullptr ? " <- chosen" : "") << "\n";
    best = best == nullptr ? candidate.row : best;
  }
  return best;
}

constexpr const char* kAttention = "attention";
constexpr const char* kInt8Attention = "q8ta_attention";
constexpr const char* kFloatAttention = "float_attention";

// Ops of the table whose rows can do the work.
std::vector<const char*> attention_ops(const AttentionWork& work) {
  return {kAttention, work.is_int8 ? kInt8Attention : kFloatAttention};
}

bool vector_fits(const KernelRow& row, uint32_t vector, std::string* why) {
  if (vector <= row.tile_k) {
    return true;
  }
  *why = "has room for vectors of " + std::to_string(row.tile_k) + " elements, not of " +
         std::to_string(vector);
  return false;
}

// Waves of workgroups, each of which costs its rows and a fixed part; room that vectors leave empty
// is threads without work, and each tile of positions has barriers of its own. Fits what an H200
// takes. With matrices, what a score takes beside products, its exponential and its way through
// shared memory, is a quarter; products of int8 cost as little as elsewhere, those of float32 are
// three each of float16, whose halves have to be made first.
double attention_cost(const KernelRow& row, const DeviceCaps& caps, const AttentionWork& work) {
  constexpr double kFixedRows = 16;
  constexpr double kVectorOfSameCost = 128;
  constexpr double kPositionsOfSameCost = 16;
  constexpr double kFloatProducts = 1.5;
  const auto groups = static_cast<double>(work.heads * ceil_div(work.rows, row.tile_m));
  const double waves = std::ceil(groups / concurrent_workgroups(caps.type));
  const double vector = row.tile_k / kVectorOfSameCost;
  const double products = work.is_int8 ? product_cost(row.path) : kFloatProducts;
  const double score = uses_coopmat(row) ? 0.25 + products * vector : 1 + vector;
  return waves * (row.tile_m + kFixedRows) * score * (1 + kPositionsOfSameCost / row.tile_n);
}

bool row_fits(const KernelRow& row, const RowsWork& work, std::string* why) {
  if (work.elements <= row.tile_n) {
    return true;
  }
  *why = "has room for rows of " + std::to_string(row.tile_n) + " elements, not of " +
         std::to_string(work.elements);
  return false;
}

// Waves of threads, each of which costs what its lanes read and compute, in groups of four
// elements, and the way to memory and through the shuffles; combining subgroups is two barriers. On
// an H200 the choice is within 10 % of the fastest row, for 128 to 49152 rows of 128 to 4096. On a
// CPU, where a wave is as many vectors as it has cores, a lane that waits costs as much as one that
// works, so that the fewest lanes are fastest: on lavapipe, 128 rows of 384 take 435 us with 16
// lanes, 608 with 32, 2907 with 128 and 1827 by normalize.
double rows_cost(const KernelRow& row, const DeviceCaps& caps, const RowsWork& work) {
  constexpr double kFixedGroups = 8;
  constexpr double kGroupsOfExchange = 2;
  const double at_once = caps.type == DeviceType::kCpu ? caps.subgroup_size : 1024;
  const double threads = static_cast<double>(work.rows) * row.tile_k;
  const double waves = std::ceil(threads / (concurrent_workgroups(caps.type) * at_once));
  const double exchange = row.tile_k > caps.subgroup_size ? kGroupsOfExchange : 0;
  return waves * (kFixedGroups + groups_of_lane(row, work.elements) + exchange);
}

std::string names_of(const KernelRow* rows, size_t count, const char* op) {
  std::string names;
  for (const KernelRow* row = rows; row != rows + count; ++row) {
    if (std::strcmp(row->op, op) == 0) {
      names += (names.empty() ? "" : ", ") + std::string(row->name);
    }
  }
  return names;
}

// The row that ETVK_KERNEL forces on this op, or null.
const KernelRow* forced_kernel(const DeviceCaps& caps, const char* op, uint32_t M, uint32_t N) {
  const std::string name = environment("ETVK_KERNEL");
  if (name.empty()) {
    return nullptr;
  }
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  const KernelRow* row =
      std::find_if(rows, rows + count, [&name](const KernelRow& one) { return name == one.name; });
  ETVK_CHECK(row != rows + count, kInvalidArgument,
             "ETVK_KERNEL: there is no kernel " << name << "; those of " << op << " are "
                                                << names_of(rows, count, op));
  if (std::strcmp(row->op, op) != 0) {
    return nullptr;
  }
  std::string why;
  ETVK_CHECK(kernel_fits(*row, caps, &why) && grid_fits(*row, caps, M, N, &why), kNotSupported,
             "ETVK_KERNEL: " << name << " cannot run on " << caps.name << ": " << why);
  return row;
}

// Whether the row's pipeline gets subgroups of `size`; 0: any will do.
bool has_subgroups_of(const DeviceCaps& caps, uint32_t size) {
  return size == 0 || (size >= caps.min_subgroup_size && size <= caps.max_subgroup_size);
}

std::string subgroup_sizes_text(const DeviceCaps& caps) {
  const std::string least = std::to_string(caps.min_subgroup_size);
  return caps.min_subgroup_size == caps.max_subgroup_size
             ? least
             : least + " to " + std::to_string(caps.max_subgroup_size);
}

bool has_matrices_of(const CoopmatShapes& shapes, const CoopmatShape& wanted) {
  const CoopmatShape& step = shapes.step;
  return std::any_of(shapes.listed.begin(), shapes.listed.end(),
                     [&wanted](const CoopmatShape& shape) {
                       return shape.m == wanted.m && shape.n == wanted.n && shape.k == wanted.k;
                     }) ||
         (step.m != 0 && wanted.m % step.m == 0 && wanted.n % step.n == 0 &&
          wanted.k % step.k == 0);
}

bool is_wrong(const KernelRow& row, const DeviceCaps& caps) {
  const std::vector<std::string>& wrong = caps.wrong_kernels;
  return std::find(wrong.begin(), wrong.end(), row.name) != wrong.end();
}

bool log_kernels() { return environment_flag("ETVK_LOG_KERNELS"); }

const KernelRow& logged_forced(const char* op, const KernelRow& row) {
  if (log_kernels()) {
    std::fprintf(stderr, "%s: %s, forced by ETVK_KERNEL\n", op, row.name);
  }
  return row;
}

// Throws kNotSupported, with the log, where there is none.
const KernelRow& logged_choice(const KernelRow* best, const std::string& log) {
  if (log_kernels()) {
    std::fputs(log.c_str(), stderr);
  }
  ETVK_CHECK(best != nullptr, kNotSupported, "no kernel can run\n" << log);
  return *best;
}

// The rows of `op` that can run and fit in `fits`; a line for each other one says why not.
template <typename Fits>
std::vector<const KernelRow*> usable_rows(const KernelRow* rows, size_t count,
                                          const DeviceCaps& caps, const char* op,
                                          std::ostringstream& lines, const Fits& fits) {
  std::vector<const KernelRow*> usable;
  for (const KernelRow* row = rows; row != rows + count; ++row) {
    std::string why;
    if (std::strcmp(row->op, op) != 0) {
      continue;
    }
    if (kernel_fits(*row, caps, &why) && fits(*row, &why)) {
      usable.push_back(row);
    } else {
      lines << "  " << row->name << ": " << why << "\n";
    }
  }
  return usable;
}

}  // namespace

bool kernel_fits(const KernelRow& row, const DeviceCaps& caps, std::string* why) {
  std::string ignored;
  std::string& reason = why != nullptr ? *why : ignored;
  const auto at_most = [&reason](uint32_t needed, uint32_t limit, const char* what) {
    if (needed > limit) {
      reason = "needs " + std::to_string(needed) + " " + what + ", the device has " +
               std::to_string(limit);
    }
    return needed <= limit;
  };
  const auto has = [&reason, &row](uint32_t feature, bool available, const char* what) {
    const bool missing = (row.features & feature) != 0 && !available;
    if (missing) {
      reason = std::string("needs ") + what;
    }
    return !missing;
  };
  if (!has_subgroups_of(caps, row.subgroup_size)) {
    reason = "needs subgroups of " + std::to_string(row.subgroup_size) + ", the device has " +
             subgroup_sizes_text(caps);
    return false;
  }
  const uint32_t subgroup_size = subgroup_size_of(row, caps);
  if (subgroup_size != 0 && row.workgroup_size % subgroup_size != 0) {
    reason = "needs whole subgroups in " + std::to_string(row.workgroup_size) +
             " threads, the device's have " + std::to_string(subgroup_size);
    return false;
  }
  if (is_wrong(row, caps)) {
    reason = "computes wrongly on this device, as the self-check found";
    return false;
  }
  const uint32_t subgroups = subgroup_size == 0 ? 0 : row.workgroup_size / subgroup_size;
  return at_most(row.workgroup_size, caps.max_workgroup_invocations, "threads in a workgroup") &&
         at_most(row.shared_bytes, caps.max_shared_bytes, "bytes of shared memory") &&
         at_most(subgroups, caps.max_workgroup_subgroups, "subgroups in a workgroup") &&
         has(kFeatureDot4, caps.dot4, "packed dot products") &&
         has(kFeatureCoopmat,
             has_matrices_of(caps.coopmat, {row.coopmat_m, row.coopmat_n, row.coopmat_k}),
             "cooperative matrices of another shape") &&
         has(kFeatureHalfCoopmat,
             has_matrices_of(caps.half_coopmat, {row.half_m, row.half_n, row.half_k}),
             "cooperative matrices of float16, or of another shape") &&
         has(kFeatureInt8Storage, caps.int8_storage, "8-bit storage buffers") &&
         has(kFeatureSubgroupShuffle, caps.subgroup_shuffle, "subgroup shuffle");
}

const KernelRow* select_linear_kernel(const KernelRow* rows, size_t count, const DeviceCaps& caps,
                                      const char* op, const LinearWork& work, std::string* log,
                                      const std::string& tuned) {
  std::ostringstream lines;
  lines << op << " M=" << work.M << " N=" << work.N << " K=" << work.K
        << (work.batch == 1 ? "" : " batch=" + std::to_string(work.batch)) << " on " << caps.name
        << "\n";
  const auto fits = [&](const KernelRow& row, std::string* why) {
    return grid_fits(row, caps, work.M, work.N, why);
  };
  const std::vector<const KernelRow*> usable = usable_rows(rows, count, caps, op, lines, fits);
  const uint32_t skinny_m = skinny_limit(usable);
  std::vector<Candidate> candidates;
  for (const KernelRow* row : usable) {
    candidates.push_back(rate(*row, caps, work, skinny_m));
  }
  const KernelRow* best = best_of(candidates, tuned, lines);
  if (log != nullptr) {
    *log = lines.str();
  }
  return best;
}

const KernelRow* select_attention_kernel(const KernelRow* rows, size_t count,
                                         const DeviceCaps& caps, const AttentionWork& work,
                                         std::string* log) {
  std::ostringstream lines;
  lines << kAttention << " rows=" << work.rows << " vector=" << work.vector
        << " heads=" << work.heads << (work.is_int8 ? " int8" : "") << " on " << caps.name << "\n";
  std::vector<Candidate> candidates;
  const auto fits = [&work](const KernelRow& row, std::string* why) {
    return vector_fits(row, work.vector, why);
  };
  for (const char* op : attention_ops(work)) {
    for (const KernelRow* row : usable_rows(rows, count, caps, op, lines, fits)) {
      candidates.push_back(
          {row, preference(*row, caps, work.rows, 1), attention_cost(*row, caps, work)});
    }
  }
  const KernelRow* best = best_of(candidates, "", lines);
  if (log != nullptr) {
    *log = lines.str();
  }
  return best;
}

const KernelRow& choose_attention_kernel(const DeviceCaps& caps, const AttentionWork& work) {
  for (const char* op : attention_ops(work)) {
    if (const KernelRow* forced = forced_kernel(caps, op, work.rows, 1)) {
      std::string why;
      ETVK_CHECK(vector_fits(*forced, work.vector, &why), kNotSupported,
                 "ETVK_KERNEL: " << forced->name << " cannot run: " << why);
      return logged_forced(op, *forced);
    }
  }
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  std::string log;
  const KernelRow* best = select_attention_kernel(rows, count, caps, work, &log);
  return logged_choice(best, log);
}

uint32_t groups_of_lane(const KernelRow& row, uint32_t elements) {
  constexpr uint32_t kGroups[] = {1, 2, 3, 4, 6, 8};
  const uint64_t needed = ceil_div(elements, uint64_t{4} * row.tile_k);
  return *std::find_if(std::begin(kGroups), std::end(kGroups) - 1,
                       [needed](uint32_t groups) { return groups >= needed; });
}

const KernelRow* select_rows_kernel(const KernelRow* rows, size_t count, const DeviceCaps& caps,
                                    const char* op, const RowsWork& work, std::string* log) {
  std::ostringstream lines;
  lines << op << " rows=" << work.rows << " elements=" << work.elements << " on " << caps.name
        << "\n";
  const auto fits = [&](const KernelRow& row, std::string* why) {
    if (work.elements < 2 * row.tile_k) {
      *why = "most of its lanes would have nothing to do";
      return false;
    }
    return row_fits(row, work, why);
  };
  std::vector<Candidate> candidates;
  for (const KernelRow* row : usable_rows(rows, count, caps, op, lines, fits)) {
    candidates.push_back({row, Preference::kMeantFor, rows_cost(*row, caps, work)});
  }
  const KernelRow* best = best_of(candidates, "", lines);
  if (log != nullptr) {
    *log = lines.str();
  }
  return best;
}

const KernelRow* choose_rows_kernel(const DeviceCaps& caps, const char* op,
                                    std::initializer_list<const char*> others,
                                    const RowsWork& work) {
  if (const KernelRow* forced = forced_kernel(caps, op, 1, 1)) {
    std::string why;
    ETVK_CHECK(row_fits(*forced, work, &why), kNotSupported,
               "ETVK_KERNEL: " << forced->name << " cannot run: " << why);
    return &logged_forced(op, *forced);
  }
  for (const char* other : others) {
    if (forced_kernel(caps, other, 1, 1) != nullptr) {
      return nullptr;
    }
  }
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  std::string log;
  const KernelRow* best = select_rows_kernel(rows, count, caps, op, work, &log);
  if (log_kernels()) {
    std::fputs(log.c_str(), stderr);
  }
  return best;
}

const KernelRow& choose_linear_kernel(const DeviceCaps& caps, const char* op,
                                      const LinearWork& work) {
  if (const KernelRow* forced = forced_kernel(caps, op, work.M, work.N)) {
    return logged_forced(op, *forced);
  }
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  std::string log;
  const std::string tuned = tuned_linear_kernel(caps, {op, work.M, work.N, work.K});
  const KernelRow* best = select_linear_kernel(rows, count, caps, op, work, &log, tuned);
  return logged_choice(best, log);
}

const KernelRow& select_elementwise_kernel(const KernelRow* rows, size_t count,
                                           const DeviceCaps& caps,
                                           const std::vector<ElementwiseWork>& works) {
  const KernelRow* best = nullptr;
  std::string refused;
  for (const ElementwiseWork& work : works) {
    for (const KernelRow* row = rows; row != rows + count; ++row) {
      std::string why;
      if (std::strcmp(row->op, work.op) != 0) {
        continue;
      }
      if (!kernel_fits(*row, caps, &why)) {
        refused += "\n  " + std::string(row->name) + ": " + why;
        continue;
      }
      // A tile is better than strided access however few there are.
      const double wanted =
          row->path == KernelPath::kTranspose ? 0 : 2 * concurrent_workgroups(caps.type);
      const auto passes =
          static_cast<double>(ceil_div(work.count, uint64_t{row->tile_m} * row->tile_n));
      const bool is_better = caps.type != DeviceType::kCpu && passes >= wanted;
      best = best == nullptr || is_better ? row : best;
    }
  }
  ETVK_CHECK(best != nullptr || !refused.empty(), kInternal, "no kernel of " << works.at(0).op);
  ETVK_CHECK(best != nullptr, kNotSupported,
             "no kernel can run on " << caps.name << ":" << refused);
  return *best;
}

bool has_kernel(const DeviceCaps& caps, const char* op) {
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  return std::any_of(rows, rows + count, [&](const KernelRow& row) {
    return std::strcmp(row.op, op) == 0 && kernel_fits(row, caps);
  });
}

const KernelRow& choose_elementwise_kernel(const DeviceCaps& caps,
                                           const std::vector<ElementwiseWork>& works) {
  for (const ElementwiseWork& work : works) {
    if (const KernelRow* forced = forced_kernel(caps, work.op, 1, 1)) {
      return *forced;
    }
  }
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  return select_elementwise_kernel(rows, count, caps, works);
}

uint32_t reduction_lanes(const KernelRow& row, const DeviceCaps& caps, bool along_rows,
                         uint32_t words, uint32_t steps) {
  // Along columns at most so many that the threads beside each other still read whole sectors of
  // memory: 8 words. Beyond 8 or 32 lanes, only until a GPU is full of threads.
  constexpr uint64_t kManyThreads = 1 << 18;
  constexpr uint32_t kSectorWords = 8;
  const uint32_t usual = along_rows ? 32 : 8;
  const uint32_t gpu_most = along_rows ? row.workgroup_size : row.workgroup_size / kSectorWords;
  const uint32_t most = caps.type == DeviceType::kCpu ? usual : gpu_most;
  uint32_t lanes = 1;
  while (lanes < most && lanes < steps &&
         (lanes < usual || uint64_t{lanes} * words < kManyThreads)) {
    lanes *= 2;
  }
  return lanes;
}

ReductionTeams reduction_teams(const KernelRow& row, const DeviceCaps& caps, bool along_rows,
                               uint32_t words, uint32_t steps) {
  const uint32_t lanes = reduction_lanes(row, caps, along_rows, words, steps);
  return {lanes, static_cast<uint32_t>(ceil_div(words, row.workgroup_size / lanes))};
}

uint32_t reduction_parts(const KernelRow& row, const DeviceCaps& caps, uint32_t groups,
                         uint32_t lanes, uint32_t steps, uint32_t most) {
  constexpr uint64_t kLeastSteps = 16;  // of a lane
  const auto wanted = static_cast<uint64_t>(4 * concurrent_workgroups(caps.type));
  const uint64_t parts = std::min(wanted / groups, steps / (lanes * kLeastSteps));
  return static_cast<uint32_t>(
      std::clamp<uint64_t>(parts, 1, std::min<uint64_t>(row.tile_k, std::max(most, 1u))));
}

WorkgroupCount linear_grid(const KernelRow& row, uint32_t M, uint32_t N) {
  return {static_cast<uint32_t>(ceil_div(N, row.tile_n)),
          static_cast<uint32_t>(ceil_div(M, row.tile_m)), 1};
}

WorkgroupCount elementwise_grid(const KernelRow& row, const DeviceCaps& caps, uint32_t count) {
  return {static_cast<uint32_t>(
              std::min<uint64_t>(ceil_div(count, row.tile_n), caps.max_workgroup_count)),
          1, 1};
}

}  // namespace etvk
