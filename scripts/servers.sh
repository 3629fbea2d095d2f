# Processes that listen, for the lessons (lib.sh) and for the runners of
# interop/ (interop/lib.sh). It is sourced, not run, and touches nothing.
# shellcheck shell=bash

# missing TOOL… prints which of them are not installed, each after a blank.
missing() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || printf ' %s' "$tool"
  done
}

# await_url PID LOG waits until LOG says "listening on URL", and puts the URL into
# $url. Its status is 1 where the process PID has ended before, and 2 where it
# does not listen within three minutes.
await_url() {
  local deadline=$((SECONDS + 180))
  while true; do
    url=$(sed -n 's/^listening on //p' "$2")
    [[ -z $url ]] || return 0
    kill -0 "$1" 2>/dev/null || return 1
    ((SECONDS < deadline)) || return 2
    sleep 0.05
  done
}

# free_port prints a port of loopback on which nothing listens. It is for
# addresses that others must know before the server starts; the rest take port 0.
free_port() {
  local port=$((20000 + RANDOM % 12000))
  while (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  printf '%s\n' "$port"
}

# end PID asks a child to end (SIGTERM), kills it where it does not within 15
# seconds, and puts its exit status into $ended.
# shellcheck disable=SC2034 # scripts read $ended
end() {
  local tries=0
  kill "$1" 2>/dev/null || true
  while kill -0 "$1" 2>/dev/null && ((tries++ < 300)); do sleep 0.05; done
  kill -KILL "$1" 2>/dev/null || true
  ended=0
  wait "$1" 2>/dev/null || ended=$?
}
