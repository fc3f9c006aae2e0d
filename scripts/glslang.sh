#!/usr/bin/env bash
# Chooses the shader compiler, the SPIR-V validator and the Vulkan headers, and writes the choice to
# build/toolchain.sh. The machine's own are taken where they know cooperative matrices; otherwise
# Debian 13's are unpacked privately and run with their own C library.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/debian_fetch.sh
source "$ROOT/scripts/debian_fetch.sh"

SUITE=trixie
GLSLANG_FOLDER=$TOOLCHAIN/glslang-$SUITE
HEADERS_FOLDER=$TOOLCHAIN/vulkan-headers
FAILED=$TOOLCHAIN/glslang.failed

compiles_coopmat() {
  local spirv=$BUILD/probe_coopmat.spv
  command -v "$1" >/dev/null &&
    "$1" -V --target-env vulkan1.3 "$ROOT/scripts/probe_coopmat.comp" -o "$spirv" >/dev/null 2>&1 &&
    "$2" --target-env vulkan1.3 "$spirv" >/dev/null 2>&1
}

knows_coopmat() {
  grep -qs VkCooperativeMatrixPropertiesKHR "$1/vulkan/vulkan_core.h"
}

# write_wrapper TOOL: .toolchain/bin/TOOL starts the unpacked TOOL through the loader beside it.
write_wrapper() {
  mkdir -p "$TOOLCHAIN/bin"
  cat >"$TOOLCHAIN/bin/$1" <<WRAPPER
#!/bin/sh
root=\$(dirname "\$(dirname "\$0")")/$(basename "$GLSLANG_FOLDER")
libs=\$(echo "\$root"/usr/lib/*-linux-gnu)
exec "\$libs"/ld-linux*.so.? --library-path "\$libs" "\$root/usr/bin/$1" "\$@"
WRAPPER
  chmod +x "$TOOLCHAIN/bin/$1"
}

fetch_glslang() {
  mkdir -p "$TOOLCHAIN"
  fetch_debian "$SUITE" "$GLSLANG_FOLDER" glslang-tools spirv-tools libc6 libstdc++6 libgcc-s1 &&
    write_wrapper glslang && write_wrapper spirv-val
}

fetch_headers() {
  mkdir -p "$TOOLCHAIN"
  fetch_debian "$SUITE" "$HEADERS_FOLDER.tree" libvulkan-dev &&
    rm -rf "$HEADERS_FOLDER" && mkdir "$HEADERS_FOLDER" &&
    mv "$HEADERS_FOLDER.tree/usr/include" "$HEADERS_FOLDER/include" &&
    rm -rf "$HEADERS_FOLDER.tree"
}

# fetch WHAT LOG FUNCTION: best effort, tried once a day.
fetch() {
  if failed_lately "$FAILED"; then
    return 1
  fi
  local reason
  reason=$(debian_fetch_refusal)
  if [[ -z $reason ]]; then
    try "Fetching $1 from Debian $SUITE" "$2" "$3" && return
    reason="see $LOGS/$2.log"
  fi
  mkdir -p "$TOOLCHAIN"
  printf '%s\n' "$reason" >"$FAILED"
  return 1
}

# Sets GLSLANG and SPIRV_VAL.
choose_compiler() {
  local glslang
  SPIRV_VAL="spirv-val"
  if [[ -n ${ETVK_GLSLANG:-} ]]; then
    GLSLANG=$ETVK_GLSLANG
    command -v "$GLSLANG" >/dev/null || die "ETVK_GLSLANG=$GLSLANG is not a program"
    [[ ! -x $TOOLCHAIN/bin/spirv-val ]] || SPIRV_VAL=$TOOLCHAIN/bin/spirv-val
    return
  fi
  for glslang in glslang glslangValidator; do
    if compiles_coopmat "$glslang" "$SPIRV_VAL"; then
      GLSLANG=$(command -v "$glslang")
      return
    fi
  done
  local private=$TOOLCHAIN/bin/glslang
  if compiles_coopmat "$private" "$TOOLCHAIN/bin/spirv-val" ||
    { fetch "glslang" fetch-glslang fetch_glslang &&
      compiles_coopmat "$private" "$TOOLCHAIN/bin/spirv-val"; }; then
    GLSLANG=$private
    SPIRV_VAL=$TOOLCHAIN/bin/spirv-val
    return
  fi
  GLSLANG=$(command -v glslang || command -v glslangValidator) ||
    die "no glslang was found; install the package glslang-tools"
  warn "cooperative-matrix kernels are left out: $("$GLSLANG" --version | head -n 1) does not know" \
    "them, and no newer one could be fetched ($(cat "$FAILED" 2>/dev/null || echo 'it did not run'))"
}

# Sets HEADERS; empty means the compiler's own search path.
choose_headers() {
  HEADERS=
  knows_coopmat /usr/include && return
  HEADERS=$HEADERS_FOLDER/include
  if ! knows_coopmat "$HEADERS" && ! fetch "Vulkan headers" fetch-vulkan-headers fetch_headers; then
    HEADERS=
    warn "the installed Vulkan headers are older than 1.3.255, and no newer ones could be fetched"
  fi
}

main() {
  mkdir -p "$BUILD"
  choose_compiler
  choose_headers
  {
    printf '# Written by scripts/glslang.sh.\n'
    printf '%s=%q\n' GLSLANG "$GLSLANG" SPIRV_VAL "$(command -v "$SPIRV_VAL")" HEADERS "$HEADERS"
  } >"$BUILD/toolchain.sh"
}

main
