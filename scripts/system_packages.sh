#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that are missing; asks the user where it may not.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# PACKAGE, or PACKAGE:COMMAND where any program of that name does as well.
WANTED=(
  libvulkan1 libvulkan-dev mesa-vulkan-drivers vulkan-validationlayers
  flatbuffers-compiler libflatbuffers-dev
  glslang-tools:glslangValidator spirv-tools:spirv-val
  g++:c++ git:git python3:python3
)

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

missing_packages() {
  local wanted package command
  for wanted in "${WANTED[@]}"; do
    package=${wanted%%:*}
    command=${wanted#"$package"}
    command=${command#:}
    if [[ -n $command ]] && command -v "$command" >/dev/null; then
      continue
    fi
    installed "$package" || printf '%s\n' "$package"
  done
  # A Python built by hand brings its own venv; Debian splits it off.
  if [[ ! -x $PYTHON ]] && ! "${ETVK_PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null; then
    printf 'python3-venv\n'
  fi
}

as_root() {
  if ((EUID == 0)); then
    env DEBIAN_FRONTEND=noninteractive "$@"
  else
    sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

may_install() { ((EUID == 0)) || { command -v sudo && sudo -n true; } >/dev/null 2>&1; }

# A broken third-party source fails the update; what counts is whether the packages can be installed.
install_packages() {
  as_root apt-get -o DPkg::Lock::Timeout=300 update || echo "apt-get update failed; going on"
  as_root apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
}

main() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    warn "not Debian or Ubuntu: install what these packages hold yourself: ${WANTED[*]%%:*}"
    return
  fi
  local missing
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  local by_hand="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  may_install || die "system packages are missing, and only root may install them. As root, run:
    $by_hand
then run ./dev again."
  step "Installing system packages (${missing[*]})" system-packages \
    "As root, run: $by_hand" install_packages "${missing[@]}"
}

main
