// Devices on which a driver computes wrongly by public reports, and what is not used there. Rows
// are data; what no report knows, the self-check finds (graph/selfcheck).
#pragma once

#include <cstddef>
#include <cstdint>

#include "vk/DeviceCaps.h"

namespace etvk {

struct Quirk {
  uint32_t vendor_id;
  const char* device;  // part of the device's name; empty: every one of the vendor
  const char* driver;  // what the driver's name starts with; empty: every one
  // Versions of the driver, as its name has them ("24.12.1"), both included; empty: open.
  const char* first_version;
  const char* last_version;
  bool before_coopmat;       // only devices without cooperative matrices, which are older ones
  const char* switched_off;  // words of ETVK_DISABLE
  const char* source;        // the public report
};

// The built-in rows; `count` gets their number.
const Quirk* known_quirks(size_t* count);

// Without what these rows switch off for the device; `caps.quirks` says what that was, and why.
// Where a row asks for versions, a driver that does not tell its own is taken for a wrong one.
DeviceCaps without_quirks(DeviceCaps caps, const Quirk* rows, size_t count);
DeviceCaps without_quirks(DeviceCaps caps);

}  // namespace etvk
