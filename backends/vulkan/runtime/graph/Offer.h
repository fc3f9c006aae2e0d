// What a node says that others may do for it, or have it do: looked for by the memory that it
// writes.
#pragma once

namespace etvk {

// Of one kind, which derives from it, as RowRounding.
struct Offer {
  virtual ~Offer() = default;
};

}  // namespace etvk
