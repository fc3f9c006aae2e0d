#include "Check.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sstream>

#include "BlobWriter.h"
#include "Machine.h"
#include "graph/Blob.h"
#include "graph/ComputeGraph.h"
#include "vk/Error.h"

namespace etvk::fuzz {

namespace {

// Of exp() on any driver; relative, or absolute for what is below one.
constexpr double kExpError = 1e-5;

// ---- Results.

bool is_same(const Tensor& expected, size_t i, const uint8_t* actual) {
  const size_t bytes = dtype_bytes(expected.dtype);
  const uint8_t* own = &expected.bytes[i * bytes];
  if (expected.accuracy == Accuracy::kUnknown || std::memcmp(own, actual + i * bytes, bytes) == 0) {
    return true;
  }
  if (expected.accuracy == Accuracy::kExact) {
    return false;
  }
  if (expected.dtype == DType::kFloat32) {
    float value = 0.0f;
    std::memcpy(&value, actual + i * bytes, sizeof(value));
    const double wanted = expected.float_at(i);
    if (std::isnan(wanted)) {
      return std::isnan(value);
    }
    return std::abs(value - wanted) <= kExpError * std::max(1.0, std::abs(wanted));
  }
  return std::abs(expected.int8_at(i) - static_cast<int8_t>(actual[i])) <= 1;
}

// Empty where the output is right.
std::string compare(const Tensor& expected, const Sizes& sizes, DType dtype,
                    const uint8_t* actual) {
  std::ostringstream out;
  if (expected.sizes != sizes || expected.dtype != dtype) {
    out << "is " << dtype_name(dtype) << " " << shape_text(sizes) << ", the reference says "
        << dtype_name(expected.dtype) << " " << shape_text(expected.sizes);
    return out.str();
  }
  for (size_t i = 0; i < expected.count(); ++i) {
    if (!is_same(expected, i, actual)) {
      const size_t bytes = dtype_bytes(dtype);
      out << "element " << i << " of " << shape_text(sizes) << " has bytes" << std::hex;
      for (size_t byte = 0; byte < bytes; ++byte) {
        out << " " << int{actual[i * bytes + byte]};
      }
      out << ", the reference says";
      for (size_t byte = 0; byte < bytes; ++byte) {
        out << " " << int{expected.bytes[i * bytes + byte]};
      }
      return out.str();
    }
  }
  return "";
}

std::string compare_outputs(ComputeGraph& graph, const Outcome& expected) {
  for (size_t i = 0; i < expected.outputs.size(); ++i) {
    std::string difference;
    if (const auto* tensor = std::get_if<Tensor>(&expected.outputs[i])) {
      difference =
          compare(*tensor, graph.output_sizes(i), graph.output_dtype(i), graph.output_data(i));
    } else {
      const int64_t wanted = std::get<int64_t>(expected.outputs[i]);
      if (graph.output_symint(i) != wanted) {
        difference = "is " + std::to_string(graph.output_symint(i)) + ", the reference says " +
                     std::to_string(wanted);
      }
    }
    if (!difference.empty()) {
      return "output " + std::to_string(i) + " " + difference;
    }
  }
  return "";
}

// Reads all bytes of outputs that the reference does not know: they have to be there.
void touch_outputs(ComputeGraph& graph) {
  for (size_t i = 0; i < graph.output_count(); ++i) {
    if (!graph.output_is_tensor(i)) {
      continue;
    }
    size_t bytes = dtype_bytes(graph.output_dtype(i));
    for (int64_t size : graph.output_sizes(i)) {
      bytes *= static_cast<size_t>(size);
    }
    const uint8_t* data = graph.output_data(i);
    uint8_t sum = 0;
    for (size_t at = 0; at < bytes; ++at) {
      sum = static_cast<uint8_t>(sum + data[at]);
    }
    volatile uint8_t sink = sum;
    static_cast<void>(sink);
  }
}

// ---- Executions.

void set_inputs(ComputeGraph& graph, const Program& program, size_t execution) {
  for (size_t i = 0; i < graph.input_count(); ++i) {
    const InputSetting& setting = program.executions[execution][i];
    if (!graph.input_is_tensor(i)) {
      graph.set_input_symint(i, setting.integer);
      continue;
    }
    graph.set_input_sizes(i, setting.sizes);
  }
  for (size_t i = 0; i < graph.input_count(); ++i) {
    if (graph.input_is_tensor(i)) {
      size_t count = 1;
      for (int64_t size : program.executions[execution][i].sizes) {
        count *= static_cast<size_t>(size);
      }
      const auto bytes = input_bytes(program, execution, i, graph.input_dtype(i), count);
      if (!bytes.empty()) {
        std::memcpy(graph.input_data(i), bytes.data(), bytes.size());
      }
    }
  }
}

GraphDef definition(const Program& program, std::optional<WrittenBlob>& blob) {
  if (program.as_blob) {
    blob = write_blob(program);
  }
  if (!blob) {
    return program.def;
  }
  return read_blob(blob->bytes.data(), blob->bytes.size(),
                   [&](const std::string& name) { return blob->named.at(name); });
}

class Checker {
 public:
  Checker(Context& context, const Program& program)
      : context_(context), program_(program), is_honest_(program.lie.empty()) {}

  Verdict run() {
    try {
      load();
    } catch (const Error& error) {
      refuse(error, is_honest_, "load");
      return verdict_;
    }
    for (size_t i = 0; i < program_.executions.size(); ++i) {
      execute(i);
      if (verdict_.kind == Verdict::Kind::kWrong) {
        break;
      }
    }
    return verdict_;
  }

 private:
  void load() {
    std::optional<WrittenBlob> blob;
    graph_ = std::make_unique<ComputeGraph>(context_, definition(program_, blob));
  }

  void execute(size_t execution) {
    const std::string where = "execution " + std::to_string(execution);
    Outcome outcome = expected(program_, execution, states_);
    if (!states_known_ && outcome.kind == Outcome::Kind::kResult) {
      outcome = {Outcome::Kind::kUnchecked, "states that are not known", {}, false, {}};
    }
    try {
      set_inputs(*graph_, program_, execution);
      graph_->run();
      // Only what ran has changed them.
      states_known_ = outcome.kind == Outcome::Kind::kResult || !has_states(program_);
      states_ = outcome.states;
      judge(where, outcome);
    } catch (const Error& error) {
      const bool has_result = outcome.kind == Outcome::Kind::kResult && !outcome.over_declared;
      refuse(error, is_honest_ && has_result, where);
    }
  }

  // Of an execution that ran.
  void judge(const std::string& where, const Outcome& outcome) {
    if (outcome.kind == Outcome::Kind::kUnchecked) {
      touch_outputs(*graph_);
      ++verdict_.unchecked;
    } else if (outcome.kind == Outcome::Kind::kMeaningless) {
      fail(where + " ran, but has no result: " + outcome.reason);
    } else {
      const std::string difference = compare_outputs(*graph_, outcome);
      ++verdict_.right;
      if (!difference.empty()) {
        fail(where + ": " + difference);
      }
    }
  }

  void refuse(const Error& error, bool should_run, const std::string& where) {
    ++verdict_.refused;
    if (verdict_.kind == Verdict::Kind::kRight) {
      verdict_.kind = Verdict::Kind::kRefused;
      verdict_.text = error.what();
    }
    if (should_run) {
      fail(where + " has a result, but was refused: " + error.what());
    } else if (error.code() == ErrorCode::kInternal ||
               error.code() == ErrorCode::kDeviceUnavailable) {
      fail(where + " ended in an error of the runtime itself: " + error.what());
    }
  }

  void fail(const std::string& text) {
    verdict_.kind = Verdict::Kind::kWrong;
    verdict_.text = text;
  }

  Context& context_;
  const Program& program_;
  const bool is_honest_;
  std::unique_ptr<ComputeGraph> graph_;
  States states_;
  bool states_known_ = true;
  Verdict verdict_;
};

}  // namespace

Verdict check(Context& context, const Program& program) {
  try {
    return Checker(context, program).run();
  } catch (const std::exception& error) {
    Verdict verdict;
    verdict.kind = Verdict::Kind::kWrong;
    verdict.text = std::string("an exception that is no Error: ") + error.what();
    return verdict;
  }
}

}  // namespace etvk::fuzz
