# shellcheck shell=bash
# What the runners of this folder share. It is sourced, not run.
#
# A runner starts what it needs on free ports, in a temporary folder that goes
# when it ends, however it ends.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=SCRIPTDIR/../scripts/servers.sh
. scripts/servers.sh

die() {
  echo "${0##*/}: $1" >&2
  exit 1
}

absent=$(missing go jq timeout)
[[ -z $absent ]] || die "not installed, but needed:$absent"
bash interop/install.sh

work=$(mktemp -d)
servers=()
clean_up() {
  if ((${#servers[@]})); then
    kill "${servers[@]}" 2>/dev/null || true
    wait "${servers[@]}" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start_server STEP [FLAG...] builds a step and starts it. Sets url, and log to
# the file of what it writes.
start_server() {
  go build -o "$work/$1" "./cmd/$1" || die "$1 does not build"
  start "$1" "$work/$1" -addr localhost:0 "${@:2}"
}

# start NAME COMMAND... starts a server and waits until it says that it listens.
# Sets url, and log to the file of what it writes; what it tells people goes to
# the file beside that.
start() {
  log=$work/$1.log
  : >"$log"
  "${@:2}" >"${log%.log}.out" 2>"$log" &
  servers+=("$!")
  await_url "$!" "$log" || case $? in
    1) die "$1 ended instead of starting: $(tail -n 1 "$log")" ;;
    *) die "$1 was not ready after three minutes" ;;
  esac
}

# find_chromium sets chromium to the path of the browser. In CI it installs one.
find_chromium() {
  chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
  if [[ -z $chromium && ${CI:-} == true ]]; then
    echo "installing chromium" >&2
    { apt-get update -qq && apt-get install -y -qq chromium; } >&2 || die "Chromium can't be installed"
    chromium=$(command -v chromium || true)
  fi
  [[ $chromium ]] || die "Chromium is missing; install it (Debian: apt-get install chromium)"
}

# token FLAG... prints a token for the server at $url that reads $work/keys.
token() {
  go run ./cmd/gentoken --issuer "$url" --keys "$work/keys" "$@" 2>"$work/gentoken.log" ||
    die "gentoken failed: $(tail -n 1 "$work/gentoken.log")"
}

# client ARGUMENT... runs Node.js with nothing of the caller's (login, settings,
# proxy, browser) and nothing of an earlier run, such as metadata that it kept.
# The variables here are for the runner to set.
TOKEN='' BROWSER=true LOGIN='' MCP_AUTO_OPEN_ENABLED=false patience=300 # seconds
client() {
  local home
  home=$(mktemp -d "$work/home.XXXXXX")
  env -i PATH="$PATH" HOME="$home" NO_COLOR=1 TOKEN="$TOKEN" \
    BROWSER="$BROWSER" LOGIN="$LOGIN" MCP_AUTO_OPEN_ENABLED="$MCP_AUTO_OPEN_ENABLED" \
    MCP_STORAGE_DIR="$home" MCP_INSPECTOR_SECRET_STORE=memory \
    timeout --foreground "$patience" interop/node_modules/.bin/node "$@" </dev/null
}

# summary ROLE REVISION SCENARIOS PASSED FAILED EMPTY EXCEPTED notes a line of the
# table that a run of the conformance suite closes with, and show_summary FILE
# shows them. CONFORMANCE_SUMMARY is a file in which the lines of several runs come
# together.
summary() {
  local IFS=$'\t'
  printf '%s\n' "$*" | tee -a "${CONFORMANCE_SUMMARY:-/dev/null}" >>"$work/summary"
}

show_summary() {
  printf '%-20s  %-10s  %-14s  %6s  %6s  %6s  %8s\n' role revision scenarios passed failed empty excepted
  while IFS=$'\t' read -r role revision scenarios passing failing empty excepted_here; do
    printf '%-20s  %-10s  %-14s  %6s  %6s  %6s  %8s\n' "$role" "$revision" "$scenarios" "$passing" "$failing" "$empty" "$excepted_here"
  done <"$1"
}
