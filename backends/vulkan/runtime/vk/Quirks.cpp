#include "vk/Quirks.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "vk/DeviceQuery.h"

namespace etvk {

namespace {

constexpr uint32_t kAmd = 0x1002;
constexpr uint32_t kQualcomm = 0x5143;

constexpr Quirk kQuirks[] = {
    // GCN, RDNA 1 and RDNA 2: the packed dot product is said to be accelerated and gives nonsense.
    // Mesa's driver is right on the same cards, and RDNA 3, which has matrices, is right with both.
    {kAmd, "", "AMD proprietary driver", "", "", true, "dot",
     "https://github.com/0xShug0/audio.cpp/issues/192"},
    // Adreno X1-85: taking 32-bit words apart as vectors of 8-bit integers. No kernel does that
    // today; without the feature none to come can.
    {kQualcomm, "X1-85", "", "", "", false, "int8_storage",
     "https://github.com/ggml-org/llama.cpp/issues/28290"},
};

// The numbers of the first word that starts with a digit: "name 24.12.1 (compiler)" is 24, 12, 1.
std::vector<int> version_in(const std::string& text) {
  std::vector<int> version;
  for (size_t at = 0; at < text.size(); ++at) {
    const auto is_digit = [&text](size_t i) {
      return i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) != 0;
    };
    if (!is_digit(at) || (at > 0 && text[at - 1] != ' ')) {
      continue;
    }
    while (is_digit(at)) {
      int number = 0;
      for (; is_digit(at); ++at) {
        number = std::min(number, 99'999'999) * 10 + (text[at] - '0');
      }
      version.push_back(number);
      at += at < text.size() && text[at] == '.' ? 1 : 0;
    }
    break;
  }
  return version;
}

bool has_version(const Quirk& row, const std::string& driver) {
  const std::vector<int> version = version_in(driver);
  const std::vector<int> first = version_in(row.first_version);
  const std::vector<int> last = version_in(row.last_version);
  return version.empty() || (version >= first && (last.empty() || version <= last));
}

bool is_meant(const Quirk& row, const DeviceCaps& caps) {
  const bool has_coopmat = !caps.coopmat.listed.empty();
  return row.vendor_id == caps.vendor_id && caps.name.find(row.device) != std::string::npos &&
         caps.driver.rfind(row.driver, 0) == 0 && has_version(row, caps.driver) &&
         !(row.before_coopmat && has_coopmat);
}

}  // namespace

const Quirk* known_quirks(size_t* count) {
  *count = std::size(kQuirks);
  return kQuirks;
}

DeviceCaps without_quirks(DeviceCaps caps, const Quirk* rows, size_t count) {
  const DeviceCaps as_reported = caps;
  for (const Quirk* row = rows; row != rows + count; ++row) {
    if (is_meant(*row, as_reported)) {
      caps = without_disabled(std::move(caps), row->switched_off);
      caps.quirks.push_back(std::string(row->switched_off) + ": " + row->source);
    }
  }
  return caps;
}

DeviceCaps without_quirks(DeviceCaps caps) {
  size_t count = 0;
  const Quirk* rows = known_quirks(&count);
  return without_quirks(std::move(caps), rows, count);
}

}  // namespace etvk
