#!/usr/bin/env bash
# Builds the fuzzer and the runtime with AddressSanitizer and UBSan in build/sanitize, with the
# shaders of build/editable. Runs only when what build_package.sh compiles has changed.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

TREE=$BUILD/sanitize
STAMP=$TREE/.stamp

# -O0: half of it is compile time, and a program runs mostly in the driver.
build_fuzzer() {
  local tools=$ROOT/.venv/bin
  "$tools/cmake" -G Ninja -S "$ROOT" -B "$TREE" -DCMAKE_MAKE_PROGRAM="$tools/ninja" \
    -DPython3_EXECUTABLE="$PYTHON" -DETVK_BUILD_DEV=ON -DETVK_SANITIZE=address,undefined \
    -DETVK_KERNELS_FROM="$BUILD/editable" -DETVK_VULKAN_HEADERS="$HEADERS" \
    -DCMAKE_CXX_FLAGS_RELEASE=-O0 &&
    "$tools/ninja" -C "$TREE" etvk_fuzz
}

main() {
  # shellcheck source=/dev/null
  source "$BUILD/toolchain.sh"
  local stamp
  stamp=$(<"$ROOT/.venv/.build-stamp")
  if stamp_matches "$STAMP" "$stamp" && [[ -x $TREE/bin/etvk_fuzz ]]; then
    return
  fi
  drop_moved_tree "$TREE"
  step "Building the fuzzer with sanitizers" build-fuzzer \
    "Fix what the compiler reports; './dev clean' starts from nothing." build_fuzzer
  write_stamp "$STAMP" "$stamp"
}

main
