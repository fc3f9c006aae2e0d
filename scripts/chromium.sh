#!/usr/bin/env bash
# Fetches Debian's headless Chromium, in which a test looks at the page that `profile --html` writes.
# It comes with a font and all of its libraries but the C library, for it is made for this machine's
# own release; .toolchain/bin/chromium starts it.
# Best effort: without it that test is skipped, and this says so.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/debian_fetch.sh
source "$ROOT/scripts/debian_fetch.sh"

FOLDER=$TOOLCHAIN/chromium
LAUNCHER=$TOOLCHAIN/bin/chromium
FAILED=$TOOLCHAIN/chromium.failed
# Not needed, or only by programs that nobody starts here.
LEFT_OUT="libc6 x11-utils xdg-utils"

write_launcher() {
  mkdir -p "$TOOLCHAIN/bin"
  cat >"$LAUNCHER" <<'LAUNCHER_SCRIPT'
#!/bin/sh
# chromium [ARGS...]: headless Chromium with the libraries and the font beside it.
folder=$(cd "$(dirname "$0")/../chromium" && pwd) || exit
export LD_LIBRARY_PATH="$folder/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export FONTCONFIG_FILE="$folder/fonts.conf"
exec "$folder/chromium/chromium-headless-shell" "$@"
LAUNCHER_SCRIPT
  chmod +x "$LAUNCHER"
}

write_fonts_conf() {
  cat >"$FOLDER/fonts.conf" <<'FONTS'
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
FONTS
}

fetch_chromium() {
  local tree=$TOOLCHAIN/chromium.tree
  fetch_debian_closure "$(own_suite)" "$tree" "$LEFT_OUT" chromium-headless-shell || return
  rm -rf "$FOLDER" && mkdir -p "$FOLDER/lib" &&
    find "$tree" -path '*/lib/*-linux-gnu/*' -name '*.so*' -exec mv -t "$FOLDER/lib" {} + &&
    mv "$tree/usr/lib/chromium" "$tree/usr/share/fonts" "$FOLDER" && rm -rf "$tree" &&
    write_fonts_conf && write_launcher || return
  "$LAUNCHER" --headless --no-sandbox --disable-gpu --dump-dom 'data:text/html,<p>it runs' |
    grep -F 'it runs'
}

main() {
  [[ ! -x $LAUNCHER || ! -d $FOLDER ]] || return 0
  fetch_for_tests "$FAILED" "the test in a browser" \
    "Fetching headless Chromium (for a test, about 105 MB)" fetch-chromium \
    "it could not be fetched or does not run" fetch_chromium ||
    rm -rf "$FOLDER" "$LAUNCHER" "$TOOLCHAIN/chromium.tree"
}

main
