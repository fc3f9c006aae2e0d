# Shared by ./dev and the setup steps: places, messages, timed steps with logs, content stamps.
# Sourced, never run; expects ROOT to be the repository root, or finds it.
# shellcheck shell=bash
# shellcheck disable=SC2034  # the places below are for the scripts that source this

ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
BUILD=$ROOT/build
LOGS=$BUILD/logs
TOOLCHAIN=$ROOT/.toolchain
PYTHON=$ROOT/.venv/bin/python

note() { printf '%s\n' "$*"; }
warn() { printf 'note: %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Shows the seconds that pass behind TITLE, on a terminal only.
tick() {
  local started=$SECONDS
  while sleep 1; do
    printf '\r%s ... %d s' "$1" $((SECONDS - started))
  done
}

# try TITLE LOG COMMAND...: runs COMMAND with its output in build/logs/LOG.log, shows title and
# elapsed seconds on one line, and returns COMMAND's status.
try() {
  local title=$1 log=$LOGS/$2.log started=$SECONDS status=0 ticker=
  shift 2
  mkdir -p "$LOGS"
  printf '%s ...' "$title"
  if [[ -t 1 ]]; then
    tick "$title" &
    ticker=$!
    # shellcheck disable=SC2064  # the id of this ticker
    trap "kill $ticker 2>/dev/null || true" EXIT
  fi
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [[ -n $ticker ]]; then
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    trap - EXIT
    printf '\r%s ...' "$title"
  fi
  if ((status == 0)); then
    printf ' done, %d s\n' $((SECONDS - started))
  else
    printf ' failed, %d s\n' $((SECONDS - started))
  fi
  return "$status"
}

# step TITLE LOG ADVICE COMMAND...: like try, but a failure shows the log's end and ADVICE, and ends.
step() {
  local title=$1 name=$2 advice=$3
  shift 3
  if try "$title" "$name" "$@"; then
    return
  fi
  {
    printf -- '--- last lines of %s\n' "$LOGS/$name.log"
    tail -n 40 "$LOGS/$name.log"
    printf -- '---\nwhole log: %s\n' "$LOGS/$name.log"
  } >&2
  die "$title failed. $advice"
}

# Two ./dev at once would build into the same folders, so the second one waits.
take_setup_lock() {
  mkdir -p "$BUILD"
  exec 9>"$BUILD/.setup.lock"
  command -v flock >/dev/null || return 0
  flock -n 9 && return
  note "another ./dev is setting up here; waiting for it"
  flock 9
}

release_setup_lock() { exec 9>&-; }

# stamp_matches FILE TEXT, write_stamp FILE TEXT: whether a step's inputs are those of its last success.
stamp_matches() { [[ -f $1 && $(<"$1") == "$2" ]]; }
write_stamp() { mkdir -p "$(dirname "$1")" && printf '%s\n' "$2" >"$1"; }

# A failed download is remembered for a day, so that setup stays quick on a machine without it.
# failed_lately FILE: true, with FILE holding the reason.
failed_lately() { [[ -f $1 && -n $(find "$1" -mtime -1 -print) ]]; }

# drop_moved_tree FOLDER: CMake refuses a build folder that was made for another place.
drop_moved_tree() {
  local cache=$1/CMakeCache.txt
  if [[ -f $cache ]] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$ROOT" "$cache"; then
    rm -rf "$1"
  fi
}
