// Runs random programs, well formed and lying, and says which of them end otherwise than with the
// reference's result or an Error. Programs run in a process of their own, so that a death or a
// program that does not end is a finding as well, after which a new process goes on.
//   etvk_fuzz --seed S                              one program, described
//   etvk_fuzz [--seed S] --programs N | --minutes N  from seed S (1) on
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <thread>

#include "Check.h"
#include "Counts.h"
#include "Draw.h"
#include "Entry.h"
#include "OrderOps.h"
#include "vk/Context.h"
#include "vk/Environment.h"

namespace etvk::fuzz {

namespace {

// Most that one program may compute, and most that one may take: a busy machine lets it wait.
constexpr int64_t kProgramCpuSeconds = 300;
constexpr int64_t kProgramSeconds = 3600;
constexpr int64_t kProgressSeconds = 15;
constexpr uint64_t kFailuresShown = 20;  // then the fuzzer gives up
constexpr uint64_t kProgramsForAllOps = 2000;

int64_t now_seconds() {
  using std::chrono::steady_clock;
  return std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now().time_since_epoch())
      .count();
}

// What the process of that clock has computed, all its threads together.
int64_t cpu_seconds(clockid_t clock = CLOCK_PROCESS_CPUTIME_ID) {
  timespec time{};
  return clock_gettime(clock, &time) == 0 ? time.tv_sec : 0;  // 0: it has ended
}

struct Options {
  uint64_t seed = 1;
  uint64_t programs = 0;  // 0: as many as there is time for
  double minutes = 0.0;
};

[[noreturn]] void usage(const std::string& problem) {
  std::fprintf(stderr,
               "etvk_fuzz: %s\nusage: etvk_fuzz [--seed S] [--programs N | --minutes N]\n"
               "  with --seed alone: that program, described\n",
               problem.c_str());
  std::exit(2);
}

Options parse(int argc, char** argv) {
  Options options;
  bool has_seed = false;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) {
      usage(name + " needs a number");
    }
    char* end = nullptr;
    const char* text = argv[i + 1];
    const double number = std::strtod(text, &end);
    if (*end != '\0' || !(number >= 0)) {
      usage(std::string(name) + " " + text + " is no number");
    }
    if (name == "--seed") {
      options.seed = std::strtoull(text, nullptr, 10);
      has_seed = true;
    } else if (name == "--programs") {
      options.programs = std::strtoull(text, nullptr, 10);
    } else if (name == "--minutes") {
      options.minutes = number;
    } else {
      usage("unknown option " + name);
    }
  }
  if (options.programs == 0 && options.minutes == 0.0) {
    if (!has_seed) {
      usage("how many programs, or for how long?");
    }
    options.programs = 1;
  }
  return options;
}

// The device with and without mapped memory: inputs and outputs travel otherwise.
std::shared_ptr<Context> context_of(const Program& program) {
  ContextOptions options = ContextOptions::from_environment();
  options.self_check = SelfCheckMode::kOff;  // every program has pipelines of its own
  if (program.staged) {
    options.disable += options.disable.empty() ? "mapped_memory" : ",mapped_memory";
  }
  return context_for(options);
}

class Fuzzer {
 public:
  explicit Fuzzer(const Options& options)
      : options_(options),
        counts_(shared_counts()),
        end_(now_seconds() + static_cast<int64_t>(options.minutes * 60.0)) {}

  // The program's exit code.
  int run() {
    for (const auto& [name, op] : all_ops()) {
      entry_of(name);  // throws where an op has none
    }
    for (uint64_t seed = options_.seed; !is_done(seed) && failures_ < kFailuresShown;) {
      const int status = run_process(seed);
      if (status == 0) {
        break;
      }
      ++failures_;
      if (counts_->started_seconds == 0) {
        std::printf("FAILED: after the last program %s\n", describe_death(status).c_str());
        break;
      }
      std::printf("FAILED: %s\n%s\n", describe_death(status).c_str(),
                  describe(draw_program(counts_->seed)).c_str());
      counts_->started_seconds = 0;
      seed = counts_->seed + 1;
    }
    failures_ += counts_->wrong;
    if (options_.programs != 1) {
      std::printf("%s", counts_->report().c_str());
    }
    const std::string never = counts_->ops_never_run();
    if (counts_->programs >= kProgramsForAllOps && !never.empty()) {
      std::printf("FAILED: of %llu programs none ran %s\n", as_long(counts_->programs),
                  never.c_str());
      ++failures_;
    }
    std::printf("%llu failures\n", as_long(failures_));
    return failures_ == 0 ? 0 : 1;
  }

 private:
  static unsigned long long as_long(uint64_t number) { return number; }

  bool is_done(uint64_t seed) const {
    return options_.programs > 0 ? seed - options_.seed >= options_.programs
                                 : now_seconds() >= end_;
  }

  // Runs programs from `seed` on until all are done or one kills the process; its wait status.
  int run_process(uint64_t seed) {
    std::fflush(stdout);
    const pid_t child = fork();
    if (child < 0) {
      std::perror("etvk_fuzz: fork");
      std::exit(2);
    }
    if (child == 0) {
      run_programs(seed);
      std::fflush(stdout);
      std::exit(0);  // with the leak checker
    }
    clockid_t child_clock = 0;
    if (clock_getcpuclockid(child, &child_clock) != 0) {
      std::fprintf(stderr, "etvk_fuzz: the process's CPU time can't be read\n");
      std::exit(2);
    }
    int status = 0;
    took_too_long_ = false;
    while (waitpid(child, &status, WNOHANG) == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      const int64_t started = counts_->started_seconds;  // read once: the child writes it
      const int64_t computed = cpu_seconds(child_clock) - counts_->started_cpu_seconds;
      if (started > 0 &&
          (computed > kProgramCpuSeconds || now_seconds() - started > kProgramSeconds)) {
        took_too_long_ = true;
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        break;
      }
    }
    return status;
  }

  void run_programs(uint64_t seed) {
    int64_t shown = now_seconds();
    for (; !is_done(seed) && counts_->wrong < kFailuresShown; ++seed) {
      counts_->seed = seed;
      counts_->started_cpu_seconds = cpu_seconds();
      counts_->started_seconds = now_seconds();
      const Program program = draw_program(seed);
      const Verdict verdict = check(*context_of(program), program);
      counts_->add(program, verdict);
      counts_->started_seconds = 0;
      if (verdict.kind == Verdict::Kind::kWrong) {
        std::printf("FAILED: %s\n%s\n", verdict.text.c_str(), describe(program).c_str());
      } else if (options_.programs == 1) {
        std::printf("%s%s\n", describe(program).c_str(), verdict.text.c_str());
      }
      if (now_seconds() - shown >= kProgressSeconds) {
        shown = now_seconds();
        std::printf("%s\n", counts_->progress().c_str());
      }
      std::fflush(stdout);
    }
  }

  std::string describe_death(int status) const {
    if (took_too_long_) {
      return "a program did not end within " + std::to_string(kProgramCpuSeconds) +
             " s of computing, or " + std::to_string(kProgramSeconds) + " s in all";
    }
    return WIFSIGNALED(status)
               ? "the process died of signal " + std::to_string(WTERMSIG(status))
               : "the process ended with code " + std::to_string(WEXITSTATUS(status));
  }

  const Options options_;
  Counts* counts_;
  const int64_t end_;
  uint64_t failures_ = 0;
  bool took_too_long_ = false;  // the last process was killed for it
};

}  // namespace

}  // namespace etvk::fuzz

int main(int argc, char** argv) {
  try {
    etvk::testing::register_order_ops();
    return etvk::fuzz::Fuzzer(etvk::fuzz::parse(argc, argv)).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "etvk_fuzz: %s\n", error.what());
    return 2;
  }
}
