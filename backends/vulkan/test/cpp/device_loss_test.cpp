// A device that does not answer, or is lost. Functions of a real driver are replaced by ones that
// pretend; the last line counts the checks.
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>

#include "Check.h"
#include "LinearCase.h"
#include "graph/ComputeGraph.h"
#include "vk/Context.h"
#include "vk/Error.h"

namespace {

using namespace etvk;
using namespace etvk::testing;

// What the pretend functions do. Each test sets what it needs.
struct Pretend {
  bool is_silent = false;  // no fence is ever signalled
  VkResult submit = VK_SUCCESS;
  VkResult wait = VK_SUCCESS;
  std::function<void()> during_wait;  // once; then that wait times out
  uint64_t timeout_ns = 0;            // of the last wait
  int destroyed_while_silent = 0;
  DeviceApi real;
};
Pretend pretend;

VKAPI_ATTR VkResult VKAPI_CALL queue_submit(VkQueue queue, uint32_t count,
                                            const VkSubmitInfo* submits, VkFence fence) {
  return pretend.submit != VK_SUCCESS ? pretend.submit
                                      : pretend.real.vkQueueSubmit(queue, count, submits, fence);
}

VKAPI_ATTR VkResult VKAPI_CALL wait_for_fences(VkDevice device, uint32_t count,
                                               const VkFence* fences, VkBool32 all,
                                               uint64_t timeout_ns) {
  pretend.timeout_ns = timeout_ns;
  if (pretend.during_wait) {
    std::exchange(pretend.during_wait, nullptr)();
    return VK_TIMEOUT;
  }
  // The real device finishes in any case, so that tests can go on with it when they want.
  const VkResult real = pretend.real.vkWaitForFences(device, count, fences, all, UINT64_MAX);
  return pretend.is_silent ? VK_TIMEOUT : pretend.wait != VK_SUCCESS ? pretend.wait : real;
}

VKAPI_ATTR VkResult VKAPI_CALL fence_status(VkDevice device, VkFence fence) {
  return pretend.is_silent ? VK_NOT_READY : pretend.real.vkGetFenceStatus(device, fence);
}

#define DESTROY(call, Type)                                                   \
  VKAPI_ATTR void VKAPI_CALL pretend_##call(VkDevice device, Type one,        \
                                            const VkAllocationCallbacks* a) { \
    pretend.destroyed_while_silent += pretend.is_silent ? 1 : 0;              \
    pretend.real.call(device, one, a);                                        \
  }
DESTROY(vkDestroyBuffer, VkBuffer)
DESTROY(vkFreeMemory, VkDeviceMemory)
DESTROY(vkDestroyFence, VkFence)
DESTROY(vkDestroyCommandPool, VkCommandPool)
DESTROY(vkDestroyDescriptorPool, VkDescriptorPool)
#undef DESTROY

ContextOptions options_with(std::chrono::milliseconds timeout) {
  ContextOptions options = ContextOptions::from_environment();
  options.disable = "mapped_memory";  // so that constants are copied by the device
  options.timeout = timeout;
  return options;
}

// A device of its own for each test: none asks for the same timeout.
std::shared_ptr<Context> pretending_context(const ContextOptions& options) {
  auto context = context_for(options);
  pretend = {};
  pretend.real = context->device.api();
  auto& api = const_cast<DeviceApi&>(context->device.api());
  api.vkQueueSubmit = queue_submit;
  api.vkWaitForFences = wait_for_fences;
  api.vkGetFenceStatus = fence_status;
  api.vkDestroyBuffer = pretend_vkDestroyBuffer;
  api.vkFreeMemory = pretend_vkFreeMemory;
  api.vkDestroyFence = pretend_vkDestroyFence;
  api.vkDestroyCommandPool = pretend_vkDestroyCommandPool;
  api.vkDestroyDescriptorPool = pretend_vkDestroyDescriptorPool;
  return context;
}

// Of `body`, which must throw kDeviceUnavailable.
std::string loss(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    expect(error.code() == ErrorCode::kDeviceUnavailable, std::string("code of ") + error.what());
    return error.what();
  }
  expect(false, "no error");
  return "";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const LinearCase& linear() {
  static const LinearCase one = random_case(5, 300, 260, Operands::kUniform, 1);
  return one;
}

std::unique_ptr<ComputeGraph> load(Context& context) {
  return std::make_unique<ComputeGraph>(context, linear_program(linear()).def);
}

void expect_exact(ComputeGraph& graph, const std::string& what) {
  std::memcpy(graph.input_data(0), linear().x.data(), linear().x.size());
  graph.run();
  expect(describe_mismatch(linear(), reference_output(linear()), graph.output_data(0)).empty(),
         what);
}

uint64_t memory_in_use(const Context& context) { return context.device.memory_in_use().size_bytes; }

// After `old` was lost: another device runs programs, and the old one goes with its last user.
void expect_a_new_device(const ContextOptions& options, std::shared_ptr<Context> old) {
  const std::weak_ptr<Context> gone = old;
  const VkDevice old_handle = old->device.handle();
  const auto fresh = context_for(options);
  expect(fresh != old && fresh->device.handle() != old_handle && !fresh->device.is_lost(),
         "another device");
  expect(context_for(options) == fresh, "which stays");
  expect_exact(*load(*fresh), "which runs programs");
  expect(!gone.expired(), "the lost device stays for its users");
  old.reset();
  context_for(options);
  expect(gone.expired(), "and goes with the last one");
}

void test_silent_device() {
  const ContextOptions options = options_with(std::chrono::milliseconds(41));
  auto context = pretending_context(options);
  auto graph = load(*context);
  auto other = load(*context);
  expect_exact(*graph, "before");
  expect(pretend.timeout_ns == 41'000'000, "waits for ETVK_TIMEOUT_MS");

  pretend.is_silent = true;
  const uint64_t memory = memory_in_use(*context);
  expect(has(loss([&] { graph->run(); }), "has not answered for 41 ms"), "no answer");
  expect(has(loss([&] { graph->run(); }), "was lost since the program was loaded"), "again");
  expect(has(loss([&] { other->run(); }), "load the program again"), "another program");
  graph.reset();
  other.reset();
  expect(memory_in_use(*context) >= memory && pretend.destroyed_while_silent == 0,
         "nothing is freed that the device may still use");
  const auto fresh = context_for(options);
  expect_exact(*load(*fresh), "a new device while the old one is silent");
  pretend.is_silent = false;  // it answers after all
  expect(context->device.settle() && memory_in_use(*context) == 0, "then it is freed");
  expect_a_new_device(options, std::move(context));
}

void test_silent_while_loading() {
  const ContextOptions options = options_with(std::chrono::milliseconds(42));
  auto context = pretending_context(options);
  pretend.is_silent = true;
  expect(has(loss([&] { load(*context); }), "has not answered"), "while constants are copied");
  expect(memory_in_use(*context) > 0 && pretend.destroyed_while_silent == 0, "they stay");
  pretend.is_silent = false;
  expect(context->device.settle() && memory_in_use(*context) == 0, "until it answers");
  expect_a_new_device(options, std::move(context));
}

void test_silent_for_ever() {
  const ContextOptions options = options_with(std::chrono::milliseconds(43));
  const std::weak_ptr<Context> lost = [&] {
    auto context = pretending_context(options);
    auto graph = load(*context);
    pretend.is_silent = true;
    loss([&] { graph->run(); });
    return context;
  }();
  context_for(options);
  expect(!lost.expired() && pretend.destroyed_while_silent == 0, "a silent device is kept");
  pretend.is_silent = false;
  context_for(options);
  expect(lost.expired(), "until it answers");
}

void test_lost_device(const std::string& where, VkResult Pretend::* call, int64_t timeout_ms) {
  const ContextOptions options = options_with(std::chrono::milliseconds(timeout_ms));
  auto context = pretending_context(options);
  auto graph = load(*context);
  pretend.*call = VK_ERROR_DEVICE_LOST;
  expect(has(loss([&] { graph->run(); }), "VK_ERROR_DEVICE_LOST"), where);
  pretend.*call = VK_SUCCESS;
  expect(has(loss([&] { graph->run(); }), "was lost since the program was loaded"), "again");
  graph.reset();
  expect(memory_in_use(*context) == 0, "what a lost device had is freed at once");
  expect_a_new_device(options, std::move(context));
}

void test_wait_without_end() {
  auto context = pretending_context(options_with(std::chrono::milliseconds(0)));
  expect_exact(*load(*context), "without a timeout");
  expect(pretend.timeout_ns == UINT64_MAX, "0 waits for ever");
}

// The time runs from the last answer to anyone.
void test_busy_device() {
  auto context = pretending_context(options_with(std::chrono::milliseconds(44)));
  auto graph = load(*context);
  auto other = load(*context);
  pretend.during_wait = [&] { expect_exact(*other, "a program in front"); };
  expect_exact(*graph, "a program that waits for others");
  expect(!context->device.is_lost(), "a busy device is not lost");
}

}  // namespace

int main() {
  try {
    test_silent_device();
    test_silent_while_loading();
    test_silent_for_ever();
    test_lost_device("while submitting", &Pretend::submit, 45);
    test_lost_device("while waiting", &Pretend::wait, 46);
    test_wait_without_end();
    test_busy_device();
  } catch (const std::exception& error) {
    expect(false, std::string("unexpected: ") + error.what());
  }
  return report_checks();
}
