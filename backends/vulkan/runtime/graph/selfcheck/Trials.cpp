#include "graph/selfcheck/Trials.h"

#include <algorithm>

#include "vk/Buffer.h"
#include "vk/Commands.h"

namespace etvk {

namespace {

constexpr uint64_t kGuardBytes = 256;  // behind each output

// Where everything is, the same in all three buffers.
class Layout {
 public:
  explicit Layout(uint64_t alignment) : alignment_(std::max<uint64_t>(alignment, 16)) {}

  // Where the next `size_bytes` bytes begin.
  uint64_t add(uint64_t size_bytes) {
    const uint64_t at = end_;
    end_ = (at + size_bytes + alignment_ - 1) / alignment_ * alignment_;
    return at;
  }
  uint64_t size_bytes() const { return end_; }

 private:
  uint64_t alignment_;
  uint64_t end_ = 0;
};

struct Place {
  std::vector<uint64_t> inputs;
  uint64_t outputs[kRunsAtOnce] = {};
};

uint64_t output_bytes(const Trial& trial) { return trial.problem.bindings[0].size(); }

class Runner {
 public:
  Runner(const Device& device, const std::vector<Trial>& trials)
      : trials_(trials), commands_(device, false) {
    Layout layout(device.caps().min_storage_offset_alignment);
    for (const Trial& trial : trials) {
      Place& place = places_.emplace_back();
      for (size_t i = 1; i < trial.problem.bindings.size(); ++i) {
        place.inputs.push_back(layout.add(trial.problem.bindings[i].size()));
      }
      for (uint64_t& at : place.outputs) {
        at = layout.add(output_bytes(trial) + kGuardBytes);
      }
    }
    upload_ = Buffer(device, layout.size_bytes(), MemoryUse::kUpload);
    memory_ = Buffer(device, layout.size_bytes(), MemoryUse::kDevice);
    readback_ = Buffer(device, layout.size_bytes(), MemoryUse::kReadback);
    fill();
    record();
  }

  void run() {
    upload_.flush();
    commands_.submit_and_wait();
    readback_.invalidate();
  }

  // Of one run of a trial; empty: it is right.
  std::string mistake(size_t trial, uint32_t run) const {
    const Problem& problem = trials_[trial].problem;
    const uint8_t* output = readback_.mapped() + places_[trial].outputs[run];
    const uint8_t* guard = output + problem.expected.size();
    const std::string text = difference(problem, output);
    const bool is_kept =
        std::all_of(guard, guard + kGuardBytes, [](uint8_t byte) { return byte == kUnwritten; });
    return text.empty() && !is_kept ? problem.text + ": bytes behind the output are changed" : text;
  }

 private:
  void fill() {
    for (size_t t = 0; t < trials_.size(); ++t) {
      const auto& bindings = trials_[t].problem.bindings;
      for (size_t i = 1; i < bindings.size(); ++i) {
        std::copy(bindings[i].begin(), bindings[i].end(),
                  upload_.mapped() + places_[t].inputs[i - 1]);
      }
      for (uint64_t at : places_[t].outputs) {
        uint8_t* output = upload_.mapped() + at;
        std::copy(bindings[0].begin(), bindings[0].end(), output);
        std::fill_n(output + bindings[0].size(), kGuardBytes, kUnwritten);
      }
    }
  }

  void record() {
    const auto whole = [](const Buffer& buffer) {
      return BufferRange{&buffer, 0, buffer.size_bytes()};
    };
    commands_.begin();
    commands_.copy({{whole(upload_), whole(memory_)}});
    for (uint32_t run = 0; run < kRunsAtOnce; ++run) {
      for (size_t t = 0; t < trials_.size(); ++t) {
        dispatch(t, run);
      }
    }
    commands_.copy({{whole(memory_), whole(readback_)}});
    commands_.end();
  }

  void dispatch(size_t t, uint32_t run) {
    const Problem& problem = trials_[t].problem;
    const auto range = [this](uint64_t at, uint64_t size) {
      return Binding{{&memory_, at, size}, size};
    };
    std::vector<Binding> bindings = {range(places_[t].outputs[run], problem.bindings[0].size())};
    for (size_t i = 1; i < problem.bindings.size(); ++i) {
      bindings.push_back(range(places_[t].inputs[i - 1], problem.bindings[i].size()));
    }
    commands_.dispatch(*trials_[t].pipeline, bindings, problem.push_constants.data(),
                       static_cast<uint32_t>(problem.push_constants.size()), problem.groups);
  }

  const std::vector<Trial>& trials_;
  std::vector<Place> places_;
  Buffer upload_;
  Buffer memory_;
  Buffer readback_;
  Commands commands_;
};

}  // namespace

std::vector<std::string> run_trials(const Device& device, const std::vector<Trial>& trials,
                                    uint32_t submissions) {
  std::vector<std::string> mistakes(trials.size());
  Runner runner(device, trials);
  for (uint32_t submission = 0; submission < submissions; ++submission) {
    runner.run();
    for (size_t t = 0; t < trials.size(); ++t) {
      for (uint32_t run = 0; run < kRunsAtOnce && mistakes[t].empty(); ++run) {
        mistakes[t] = runner.mistake(t, run);
        if (!mistakes[t].empty()) {
          mistakes[t] += " in run " + std::to_string(submission * kRunsAtOnce + run + 1);
        }
      }
    }
  }
  return mistakes;
}

}  // namespace etvk
