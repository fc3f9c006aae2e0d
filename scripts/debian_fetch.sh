# Unpacks packages of another Debian release into a private folder, without root and without
# touching the machine's own package state. The mirror is the one the machine's apt already uses,
# and signatures are checked against Debian's archive keyring as usual.
# Sourced after common.sh.
# shellcheck shell=bash

DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# The Debian release that this machine runs.
own_suite() {
  # shellcheck source=/dev/null
  (. /etc/os-release && printf '%s' "${VERSION_CODENAME:-sid}")
}

# The Debian mirrors among this machine's apt sources, one URI a line.
debian_mirrors() {
  # shellcheck disable=SC2016  # apt fills these in
  apt-get indextargets --no-release-info --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' \
    'Created-By: Packages' 2>/dev/null |
    awk -v codename="$(own_suite)" '{ sub("/$", "", $1) }
      $2 == "main" && ($1 == codename || $1 ~ /^(stable|oldstable|testing|unstable|sid)$/) &&
      !seen[$3]++ { print $3 }'
}

# Why packages cannot be fetched here; empty where they can.
debian_fetch_refusal() {
  local id
  # shellcheck source=/dev/null
  id=$(. /etc/os-release 2>/dev/null && printf '%s' "${ID:-}")
  if [[ $id != debian ]]; then
    printf 'this is %s, whose apt sources name no Debian mirror' "${id:-an unknown system}"
  elif [[ ! -r $DEBIAN_KEYRING ]]; then
    printf 'the package debian-archive-keyring is not installed'
  elif [[ -z $(debian_mirrors) ]]; then
    printf 'the apt sources of this machine name no Debian mirror'
  fi
}

# private_apt WORK ARGS...: apt-get with sources, lists and caches in WORK only.
private_apt() {
  local work=$1
  shift
  apt-get \
    -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
    -o Dir::State="$work/state" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" \
    -o Dir::Cache::archives="$work/debs" -o Acquire::Languages=none -o Acquire::Retries=2 \
    -o APT::Sandbox::User="$(id -un)" "$@"
}

# fetch_debian SUITE FOLDER PACKAGE...: downloads the packages as SUITE has them and unpacks them
# into FOLDER, which appears only when all of it worked. Dependencies are the caller's to list.
fetch_debian() {
  unpack_debian "$1" "$2" download "${@:3}"
}

# fetch_debian_closure SUITE FOLDER INSTALLED PACKAGE...: the same with all that the packages depend
# on. Of this machine only the packages in the string INSTALLED count as being there.
fetch_debian_closure() {
  INSTALLED=$3 unpack_debian "$1" "$2" install --yes --download-only --no-install-recommends "${@:4}"
}

# An entry of dpkg's status file, newer than any version that others may ask for.
installed_entry() {
  printf 'Package: %s\nStatus: install ok installed\nVersion: 999:1\n' "$1"
  printf 'Architecture: %s\nMaintainer: none\nDescription: none\n\n' "$(dpkg --print-architecture)"
}

# unpack_debian SUITE FOLDER APT_ARGS...: APT_ARGS leave the packages in the folder of archives.
unpack_debian() {
  local suite=$1 folder=$2 work mirror deb package complete=0
  shift 2
  rm -rf "$TOOLCHAIN"/fetch.* # of an interrupted run
  work=$(mktemp -d "$TOOLCHAIN/fetch.XXXXXX") || return
  mkdir -p "$work"/state/lists/partial "$work"/cache "$work"/debs/partial "$work"/tree &&
    for package in ${INSTALLED:-}; do installed_entry "$package"; done >"$work/status" || return
  for mirror in $(debian_mirrors); do
    printf 'deb [arch=%s signed-by=%s] %s %s main\n' \
      "$(dpkg --print-architecture)" "$DEBIAN_KEYRING" "$mirror" "$suite" >"$work/sources.list"
    if (cd "$work/debs" && private_apt "$work" update && private_apt "$work" "$@"); then
      complete=1
      break
    fi
  done
  for deb in "$work"/debs/*.deb; do
    if ((!complete)) || [[ ! -f $deb ]] || ! dpkg-deb -x "$deb" "$work/tree"; then
      rm -rf "$work"
      return 1
    fi
  done
  rm -rf "$folder" && mv "$work/tree" "$folder" && rm -rf "$work"
}

# note_failure FILE REASON WHAT: keeps REASON in FILE, unless it is empty, and says what follows.
note_failure() {
  mkdir -p "$TOOLCHAIN"
  [[ -z $2 ]] || printf '%s\n' "$2" >"$1"
  warn "$3 will be skipped: $(<"$1")"
}

# fetch_for_tests FAILED WHAT TITLE LOG REASON COMMAND: runs COMMAND where packages can be fetched.
# Returns 1 where that failed, for the caller to clean up, after saying that WHAT will be skipped;
# FAILED keeps the reason for a day.
fetch_for_tests() {
  local failed=$1 what=$2 refusal
  if failed_lately "$failed"; then
    note_failure "$failed" "" "$what"
    return
  fi
  refusal=$(debian_fetch_refusal)
  if [[ -n $refusal ]]; then
    note_failure "$failed" "$refusal" "$what"
    return
  fi
  mkdir -p "$TOOLCHAIN"
  if ! try "$3" "$4" "$6"; then
    note_failure "$failed" "$5; see $LOGS/$4.log" "$what"
    return 1
  fi
}
