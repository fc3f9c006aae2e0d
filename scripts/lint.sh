#!/usr/bin/env bash
# Runs every linter over the whole tree and says which failed; --fix repairs what can be repaired.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

failures=0

# check NAME COMMAND...: one line when it is well, the tool's own output when it is not.
check() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1 </dev/null); then
    printf '%-14s ok\n' "$name"
  else
    printf '%-14s failed\n%s\n' "$name" "$output"
    failures=$((failures + 1))
  fi
}

# What mypy is to see under its installed name.
link_package() {
  mkdir -p "$BUILD/mypy"
  ln -sfn ../../backends/vulkan "$BUILD/mypy/executorch_vulkan"
}

clang_format() {
  local sources
  mapfile -d '' sources < <(find backends benchmarks examples -type f \
    \( -name '*.cpp' -o -name '*.h' \) -print0)
  ((${#sources[@]})) || return 0
  "$ROOT/.venv/bin/clang-format" "$@" "${sources[@]}"
}

main() {
  cd "$ROOT"
  link_package
  case ${1:-} in
    --fix)
      "$PYTHON" -m ruff check --quiet --fix . || true
      "$PYTHON" -m ruff format --quiet .
      clang_format -i
      ;;
    '') ;;
    *) die "lint takes --fix or nothing (got: $*)" ;;
  esac
  check "ruff check" "$PYTHON" -m ruff check .
  check "ruff format" "$PYTHON" -m ruff format --check .
  check "mypy" "$PYTHON" -m mypy
  check "clang-format" clang_format --dry-run --Werror
  check "shellcheck" "$ROOT/.venv/bin/shellcheck" --external-sources dev .ci/run scripts/*.sh
  ((failures == 0)) || die "$failures of 5 linters failed"
}

main "$@"
