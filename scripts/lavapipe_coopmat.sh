#!/usr/bin/env bash
# Fetches a lavapipe that has cooperative matrices (Mesa 26.2 or newer), on which the tests run that
# kernel tier on a CPU, and a validation layer that knows them. They come with all of their
# libraries, the C library included, so .toolchain/bin/with-lavapipe-coopmat has to start a program.
# Best effort: without it the tests on it are skipped, and this says so.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/debian_fetch.sh
source "$ROOT/scripts/debian_fetch.sh"

SUITE=unstable # the only one so new; its versions move, and any of them does
FOLDER=$TOOLCHAIN/lavapipe-coopmat
ICD=$FOLDER/lvp_icd.json
LAUNCHER=$TOOLCHAIN/bin/with-lavapipe-coopmat
FAILED=$TOOLCHAIN/lavapipe-coopmat.failed

write_launcher() {
  mkdir -p "$TOOLCHAIN/bin"
  cat >"$LAUNCHER" <<'LAUNCHER_SCRIPT'
#!/bin/sh
# with-lavapipe-coopmat PROGRAM [ARGS...]: runs PROGRAM, a binary, with the libraries beside this
# lavapipe ahead of the machine's, and with no other Vulkan driver or explicit layer. Programs that
# it starts itself are outside of this and find no device.
folder=$(cd "$(dirname "$0")/../lavapipe-coopmat" && pwd) || exit
program=$(command -v "$1") || {
  echo "$0: there is no program '$1'" >&2
  exit 127
}
shift
unset VK_ADD_DRIVER_FILES VK_ICD_FILENAMES
export VK_DRIVER_FILES="$folder/lvp_icd.json" VK_LAYER_PATH="$folder"
exec "$folder"/ld-linux*.so.? --library-path "$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
  "$program" "$@"
LAUNCHER_SCRIPT
  chmod +x "$LAUNCHER"
}

# copy_manifest FROM TO: the library is in the folder of TO.
copy_manifest() { sed -E 's|("library_path": ")([^"]*/)?|\1./|' "$1" >"$2"; }

# Keeps the shared libraries, without the drivers for GPUs, and both manifests in one flat folder.
fetch_lavapipe() {
  local tree=$TOOLCHAIN/mesa.tree driver icd libraries layer=VkLayer_khronos_validation
  fetch_debian_closure "$SUITE" "$tree" "" mesa-vulkan-drivers vulkan-validationlayers || return
  driver=$(find "$tree/usr/lib" -name libvulkan_lvp.so -print -quit)
  icd=$(find "$tree/usr/share/vulkan/icd.d" -name 'lvp_icd*.json' -print -quit)
  if [[ -z $driver || -z $icd ]]; then
    echo "mesa-vulkan-drivers holds no lavapipe"
    return 1
  fi
  libraries=$(dirname "$driver")
  find "$libraries" -mindepth 1 '(' -type d -o -name 'libVkLayer_*.so' ! -name "lib$layer.so" \
    -o -name 'libvulkan_*.so' ! -name libvulkan_lvp.so ')' -prune -exec rm -r {} + &&
    copy_manifest "$icd" "$libraries/lvp_icd.json" &&
    copy_manifest "$tree/usr/share/vulkan/explicit_layer.d/$layer.json" "$libraries/$layer.json" &&
    rm -rf "$FOLDER" && mv "$libraries" "$FOLDER" && rm -rf "$tree" && write_launcher || return
  "$LAUNCHER" "$PYTHON" "$ROOT/scripts/check_driver.py" "$ICD" VK_KHR_cooperative_matrix
}

main() {
  [[ ! -x $LAUNCHER || ! -f $ICD ]] || return 0
  fetch_for_tests "$FAILED" "tests of the cooperative-matrix kernels on lavapipe" \
    "Fetching lavapipe with cooperative matrices (a test driver, about 80 MB)" \
    fetch-lavapipe-coopmat "it could not be fetched or lacks them" fetch_lavapipe ||
    rm -rf "$FOLDER" "$LAUNCHER" "$TOOLCHAIN/mesa.tree"
}

main
