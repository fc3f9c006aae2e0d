#!/usr/bin/env bash
# Builds the delegate, its tools and test library in build/editable, and installs the package
# editable into .venv. Runs only when the content of something that is compiled has changed.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

STAMP=$ROOT/.venv/.build-stamp
WARNINGS_ARE_ERRORS=OFF
if [[ ${CI:-} == true ]]; then
  WARNINGS_ARE_ERRORS=ON
fi
TREE=$BUILD/editable

inputs() {
  cd "$ROOT"
  find CMakeLists.txt pyproject.toml cmake backends/vulkan/runtime -type f -print0 2>/dev/null || true
  find backends/vulkan/test benchmarks examples -type f \
    \( -name '*.cpp' -o -name '*.h' -o -name '*.comp' -o -name '*.glsl' -o -name 'CMakeLists.txt' \
    -o -name '*.cmake' \) -print0 2>/dev/null || true
}

fingerprint() {
  {
    printf '%s\n' "$ROOT" "$WARNINGS_ARE_ERRORS"
    cat "$BUILD/toolchain.sh" "$ROOT/.venv/.requirements-stamp.content"
    inputs | grep -zv -e '/__pycache__/' | sort -z | (cd "$ROOT" && xargs -0 sha256sum)
  } | sha256sum
}

# A path as one word of a command line. Not in quotes: CMake takes them off a cache entry.
command_word() { printf '%s\n' "$1" | sed "s/[ '\"\\\\]/\\\\&/g"; }

# The compiler and the validator go to CMake as commands, the headers as a folder.
install_editable() {
  env CMAKE_BUILD_PARALLEL_LEVEL="$(nproc)" PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 \
    "$PYTHON" -m pip install --verbose --no-build-isolation --no-deps --editable "$ROOT" \
    --config-settings=build-dir="$TREE" \
    --config-settings=cmake.define.ETVK_BUILD_DEV=ON \
    --config-settings=cmake.define.CMAKE_COMPILE_WARNING_AS_ERROR="$WARNINGS_ARE_ERRORS" \
    --config-settings=cmake.define.ETVK_GLSLANG="$(command_word "$GLSLANG")" \
    --config-settings=cmake.define.ETVK_SPIRV_VAL="$(command_word "$SPIRV_VAL")" \
    --config-settings=cmake.define.ETVK_VULKAN_HEADERS="$HEADERS"
}

main() {
  # shellcheck source=/dev/null
  source "$BUILD/toolchain.sh"
  local stamp
  stamp=$(fingerprint)
  if stamp_matches "$STAMP" "$stamp" && [[ -d $TREE ]]; then
    return
  fi
  drop_moved_tree "$TREE"
  step "Building the delegate and installing the package" build \
    "Fix what the compiler reports; './dev clean' starts from nothing." install_editable
  write_stamp "$STAMP" "$stamp"
}

main
