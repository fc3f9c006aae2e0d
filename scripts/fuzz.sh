#!/usr/bin/env bash
# Runs the fuzzer on lavapipe and, where it is there, on SwiftShader, both at once; fails if one does.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

FUZZER=$BUILD/sanitize/bin/etvk_fuzz

# fuzz NAME ICD ARGUMENTS...: each line of its output starts with the driver's name.
fuzz() {
  local name=$1 icd=$2
  shift 2
  VK_DRIVER_FILES=$icd "$FUZZER" "$@" 2>&1 | sed -u "s/^/$name: /"
}

main() {
  local minutes=5 seed
  seed=$(date +%s)
  while (($#)); do
    case $1 in
      --minutes) minutes=${2:?--minutes needs a number} ;;
      --seed) seed=${2:?--seed needs a number} ;;
      *) die "fuzz takes --minutes N and --seed S (got: $*)" ;;
    esac
    shift 2
  done
  note "fuzzing for $minutes minutes, from seed $seed on; one program: $FUZZER --seed S"
  local icd processes=() failures=0 process
  for icd in /usr/share/vulkan/icd.d/lvp_icd*.json /etc/vulkan/icd.d/lvp_icd*.json; do
    if [[ -f $icd ]]; then
      fuzz lavapipe "$icd" --seed "$seed" --minutes "$minutes" &
      processes+=($!)
      break
    fi
  done
  if [[ -n ${ETVK_SWIFTSHADER_ICD:-} ]]; then
    fuzz swiftshader "$ETVK_SWIFTSHADER_ICD" --seed "$seed" --minutes "$minutes" &
    processes+=($!)
  else
    warn "SwiftShader is not there: on lavapipe only"
  fi
  ((${#processes[@]})) || die "no CPU driver to fuzz on: neither lavapipe nor SwiftShader"
  for process in "${processes[@]}"; do
    wait "$process" || failures=$((failures + 1))
  done
  ((failures == 0)) || die "the fuzzer failed on $failures of ${#processes[@]} drivers"
}

main "$@"
