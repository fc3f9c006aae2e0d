#!/usr/bin/env bash
# Fetches SwiftShader, a second CPU Vulkan driver for the tests, out of Debian's chromium-common package.
# Best effort: without it the tests on it are skipped, and this says so.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/debian_fetch.sh
source "$ROOT/scripts/debian_fetch.sh"

FOLDER=$TOOLCHAIN/swiftshader
LIBRARY=$FOLDER/libvk_swiftshader.so
ICD=$FOLDER/vk_swiftshader_icd.json
FAILED=$TOOLCHAIN/swiftshader.failed

# Rewritten when the repository has moved: the library's path in it is absolute.
write_icd() {
  local text
  text=$("$PYTHON" -c 'import json, sys
print(json.dumps({"file_format_version": "1.0.0",
                  "ICD": {"library_path": sys.argv[1], "api_version": "1.3.0"}}, indent=2))' "$LIBRARY")
  printf '%s\n' "$text" >"$ICD"
}

# The package is made for this machine's own release, so its library fits the libraries here.
fetch_swiftshader() {
  local tree=$TOOLCHAIN/swiftshader.tree found
  fetch_debian "$(own_suite)" "$tree" chromium-common || return
  found=$(find "$tree" -name libvk_swiftshader.so -print -quit)
  if [[ -z $found ]]; then
    echo "chromium-common holds no libvk_swiftshader.so"
    rm -rf "$tree"
    return 1
  fi
  rm -rf "$FOLDER" && mkdir -p "$FOLDER" && mv "$found" "$LIBRARY" && rm -rf "$tree" || return
  write_icd && "$PYTHON" "$ROOT/scripts/check_driver.py" "$ICD"
}

main() {
  if [[ -f $ICD && -f $LIBRARY ]]; then
    grep -qF "\"$LIBRARY\"" "$ICD" || write_icd
    return
  fi
  fetch_for_tests "$FAILED" "tests on SwiftShader" \
    "Fetching SwiftShader (a test driver, about 30 MB)" fetch-swiftshader \
    "it could not be fetched or does not load" fetch_swiftshader || rm -rf "$FOLDER"
}

main
