# What the scripts test_step*.sh share: servers, scenes, requests, expectations.
#
# A script calls lesson first, then serve, then scene after scene, and finish
# last. The first expectation that is not met ends it with status 1.
#
# On a terminal it pauses after each scene. What its requests show by a name, such
# as $ALICE, is in the file $work/names, which a second terminal can read.
# shellcheck shell=bash
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=SCRIPTDIR/servers.sh
. "$root/scripts/servers.sh"
# Texts come as here-documents, so the terminal is kept apart, for pauses.
{ exec 3<&0; } 2>/dev/null || exec 3</dev/null

inspect='' all='' from=1 pausing='' finished='' told='' broke=''
scenes=0 expectations=0 scene_title='' hidden=''
answers=() answer_scenes=() held='' held_shown=''
servers=() pids=() vain=''
names=() values=() tokens=()

if [[ -t 1 && -z ${NO_COLOR+set} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m' jq_colour=-C
else
  bold='' dim='' green='' red='' plain='' jq_colour=-M
fi

# ---- Begin and end -----------------------------------------------------------

# lesson STEP NAME PROGRAMS [ARGUMENT…] begins: it reads the arguments of the
# script, says what the lesson is about (from standard input), makes sure that
# everything needed is there, and builds the programs of cmd/ into $work.
lesson() {
  step=$1
  local name=$2 programs=$3 about argument
  about=$(cat)
  shift 3
  while (($# > 0)); do
    argument=$1
    shift
    case $argument in
      --all) all=yes ;;
      --scene) from=${1:-} && shift $(($# > 0)) ;;
      --scene=*) from=${argument#--scene=} ;;
      --inspect) inspect=yes ;;
      --provider | --provider=*) provider=${argument#--provider} provider=${provider#=} ;;
      embedded | keycloak) provider=$argument ;;
      -h | --help)
        printf 'Step %s: %s\n\n%s\n\n' "$step" "$name" "$about"
        printf 'Usage: bash %s [--scene N] [--all]%s\n' "$0" "${takes_provider:+ [--provider embedded|keycloak]}"
        printf '  --scene N  begin at scene N; the scenes before it run first, without being shown\n'
        printf '  --all      no pauses (on a terminal there is one after each scene)\n'
        printf '  --inspect  pause also where the output is not a terminal\n'
        [[ -z ${takes_provider:-} ]] || printf '  --provider keycloak  use the Keycloak at KEYCLOAK_URL (default http://localhost:8080)\n'
        printf '\nScenes:\n%s\n\n' "$(scene_titles | awk '{ printf "  %2d. %s\n", NR, $0 }')"
        printf 'Exit status: 0 when every expectation is met, 1 at the first that is not.\n'
        exit 0
        ;;
      *)
        printf 'step %s: unknown argument %s; see --help\n' "$step" "$argument" >&2
        exit 2
        ;;
    esac
  done
  case ${provider=embedded}${takes_provider:+/} in
    embedded | embedded/ | keycloak/) ;;
    *)
      printf 'step %s: --provider takes embedded or keycloak, in steps that have one; see --help\n' "$step" >&2
      exit 2
      ;;
  esac
  if [[ ! $from =~ ^[1-9][0-9]?$ ]] || ((from > $(scene_titles | wc -l))); then
    printf 'step %s: --scene takes a number from 1 to %d; see --help\n' "$step" "$(scene_titles | wc -l)" >&2
    exit 2
  fi
  need go curl jq

  work=$(mktemp -d "${TMPDIR:-/tmp}/step$step.XXXXXX")
  keys=$work/keys
  trap cleanup EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 141' PIPE
  trap 'exit 143' TERM
  # Errors that no expectation explains are at least located.
  set -o errtrace
  trap 'broke="${BASH_SOURCE[0]##*/}, line $LINENO: $BASH_COMMAND"' ERR

  printf '%sStep %s: %s%s\n\n%s\n\n' "$bold" "$step" "$name" "$plain" "$about"
  decide_pauses
  printf 'Building: %s\n' "$programs"
  mkdir "$work/bin" "$work/build"
  local packages=()
  for argument in $programs; do packages+=("./cmd/$argument"); done
  # No version stamp: that would need git, and a checkout that it trusts. The
  # folder for temporary files is ours, because an interrupted go leaves them.
  GOTMPDIR=$work/build go build -C "$root" -buildvcs=false -o "$work/bin/" "${packages[@]}" || fail 'the programs do not build'
  if ((from > 1)); then
    printf 'Scene %d needs what is before it: that runs now, and is not shown.\n' "$from"
    hidden=yes
    exec 4>&1 >/dev/null
  fi
}

# scene_titles prints the titles of the script's scenes, a line each.
scene_titles() { sed -nE "s/^ *scene ['\"]([^'\"]*)['\"] <<.*/\1/p" "$0"; }

# decide_pauses says whether the script pauses, which needs somebody to go on.
decide_pauses() {
  if [[ -t 3 ]] && { [[ $inspect ]] || [[ -t 1 && -z ${CI:-} && -z $all ]]; }; then
    pausing=yes
    printf 'The script waits after each scene (--all: it does not). The servers are then up: try\nthem in a second terminal.\n\n'
  elif [[ $inspect ]]; then
    printf -- '--inspect: standard input is not a terminal, so the script does not pause.\n\n'
  fi
}

# need TOOL… ends the script when one of them is not installed.
need() {
  local absent
  absent=$(missing "$@")
  if [[ $absent ]]; then
    printf 'step %s: not installed, but needed:%s\n' "$step" "$absent" >&2
    exit 1
  fi
}

# finish is the only way to success.
finish() {
  show_again
  pause 'That was the last scene. Press a key to end the servers.'
  finished=yes
  printf '\n%sstep %s: %d scenes, %d expectations, all met%s\n' "$green" "$step" "$scenes" "$expectations" "$plain"
}

# fail MESSAGE [DETAIL…] ends the script with status 1. Whatever it shows, it
# shows no token.
fail() {
  local name
  told=yes
  with_names "$(
    printf '\n%sstep %s: FAILED' "$red" "$step"
    ((scenes == 0)) || printf ' in scene %d, "%s"' "$scenes" "$scene_title"
    printf ': %s%s\n' "$1" "$plain"
    (($# < 2)) || printf '  %s\n' "${@:2}"
    for name in ${servers[@]+"${servers[@]}"}; do
      printf '  The log of %s (%s) ends with:\n' "$name" "${!name-not ready}"
      tail -n 20 "$work/$name.log" | sed 's/^/    /'
    done
  )"
  printf '%s\n' "$named" >&2
  exit 1
}

# cleanup leaves no process and no file behind, and the exit status as it was.
cleanup() {
  local status=$? pid
  # A child that is ended before it became another program has this trap, too.
  [[ ${BASHPID:-$$} == "$$" ]] || exit "$status"
  set +e
  trap - EXIT ERR
  trap '' HUP INT PIPE TERM
  for pid in ${pids[@]+"${pids[@]}"} "$vain"; do
    [[ -z $pid ]] || end "$pid"
  done
  rm -rf "$work"
  if ((status == 0)) && [[ -z $finished ]]; then
    status=1 broke='it ended before its last scene'
  fi
  if ((status > 0 && status < 128)) && [[ -z $told ]]; then
    printf '\nstep %s: FAILED: error in the script: %s\n' "$step" "${broke:-status $status}" >&2
  fi
  exit "$status"
}

# ---- Servers -----------------------------------------------------------------

# serve NAME STEP [FLAG…] starts a step on a free port, unless a flag -addr
# comes first; it waits until it is ready, and puts its URL into the variable
# NAME.
serve() {
  local name=$1 program=step$2 log=$work/$1.log url='' pid
  shift 2
  [[ ${1:-} == -addr ]] || set -- -addr localhost:0 "$@"
  printf '\n'
  print_command go run "./cmd/$program" "$@"
  : >"$log"
  "$work/bin/$program" "$@" </dev/null >>"$log" 2>&1 3<&- &
  pid=$!
  servers+=("$name") pids+=("$pid")
  await_url "$pid" "$log" || case $? in
    1) fail "$program ended before it was ready" ;;
    *) fail "$program was not ready within 60 seconds" ;;
  esac
  printf '  %slistening on %s%s\n' "$dim" "$url" "$plain"
  printf -v "$name" '%s' "$url"
  hold "$name" "$url"
}

# serve_in_vain STEP [FLAG…] starts a step that is to end by itself. What it
# says is in $said, its exit status in $ended.
serve_in_vain() {
  local program=step$1 deadline=$((SECONDS + 180))
  shift
  printf '\n'
  print_command go run "./cmd/$program" "$@"
  : >"$work/vain"
  "$work/bin/$program" "$@" </dev/null >>"$work/vain" 2>&1 3<&- &
  vain=$!
  while kill -0 "$vain" 2>/dev/null; do
    ! grep -q '^listening on' "$work/vain" || fail "$program started, but was to refuse"
    ((SECONDS < deadline)) || fail "$program neither started nor ended within three minutes"
    sleep 0.05
  done
  end "$vain"
  vain=''
  said=$(cat "$work/vain")
  printf '\n  %s\n\n' "$said"
}

# stop NAME ends a server; its exit status is in $ended.
stop() {
  local i
  for i in "${!servers[@]}"; do
    if [[ ${servers[i]} == "$1" && ${pids[i]} ]]; then
      end "${pids[i]}"
      pids[i]=''
    fi
  done
}

# crash NAME ends a server at once (SIGKILL), so that it can put nothing away.
crash() {
  local i
  for i in "${!servers[@]}"; do
    if [[ ${servers[i]} == "$1" && ${pids[i]} ]]; then
      printf '\n  %skill -KILL the process of %s%s\n' "$bold" "$1" "$plain"
      kill -KILL "${pids[i]}"
      wait "${pids[i]}" 2>/dev/null || true
      pids[i]=''
    fi
  done
}

# last_refusal NAME is why the server NAME refused a token last, by its log.
last_refusal() {
  awk '/msg="token refused"/ { line = $0 }
    END { sub(/.* (why|error)="?/, "", line); sub(/"$/, "", line); gsub(/\\"/, "\"", line); print line }' "$work/$1.log"
}

# ---- Tokens ------------------------------------------------------------------

# mint NAME ISSUER [FLAG…] shows how to make a token, and puts it into the
# variable NAME. From then on, requests show $NAME in its place.
mint() {
  local line
  command_line go run ./cmd/gentoken --keys "$keys" --issuer "${@:2}"
  printf '\n  %s\n' "$bold$1=\$($command)$plain"
  sign "$@"
  while IFS= read -r line; do
    printf '    %s%s%s\n' "$dim" "$line" "$plain"
  done <"$work/said"
}

# sign is mint without a word.
sign() {
  local name=$1 token
  token=$("$work/bin/gentoken" --keys "$keys" --issuer "${@:2}" 2>"$work/said") || fail 'gentoken made no token' "$(cat "$work/said")"
  printf -v "$name" '%s' "$token"
  tokens+=("$token")
  remember "$name" "$token"
}

# log_in PREFIX ISSUER USER PASSWORD SCOPES gets tokens from a provider by the
# password grant, and shows how. The access token is in the variable
# PREFIX_ACCESS; PREFIX_ID and PREFIX_REFRESH hold the others, where there are
# some. From then on, requests show their names in their place.
log_in() {
  local kind name token request=("$2/protocol/openid-connect/token" -d grant_type=password -d client_id=mcp-test-client
    -d "username=$3" -d "password=$4" -d "scope=$5")
  command_line curl -s "${request[@]}"
  printf '\n  %s\n' "$bold$1_ACCESS=\$($command | jq -r .access_token)$plain"
  ask "${request[@]}"
  [[ $status == 200 ]] || fail "the provider gave $3 no token: status $status" "$(cat "$work/body")"
  for kind in access id refresh; do
    name=$1_$(tr '[:lower:]' '[:upper:]' <<<"$kind")
    token=$(jq -r ".${kind}_token // empty" "$work/body")
    printf -v "$name" '%s' "$token"
    [[ -z $token ]] || { tokens+=("$token"); remember "$name" "$token"; }
  done
  printf '    %sscope: %s%s\n' "$dim" "$(jq -r .scope "$work/body")" "$plain"
}

# remember NAME VALUE lets requests show $NAME instead of VALUE.
remember() {
  names+=("$1") values+=("$2")
  hold "$1" "$2"
}

# hold NAME VALUE puts a variable into the file that a second terminal can read.
hold() {
  [[ " $held " == *" $1 "* ]] || held+=${held:+ }$1
  printf '%s=%q\n' "$1" "$2" >>"$work/names"
}

# with_names TEXT puts TEXT into $named, with names instead of their values.
with_names() {
  local i dollar
  named=$1
  for i in ${values[@]+"${!values[@]}"}; do
    dollar="\$${names[i]}"
    named=${named//"${values[i]}"/$dollar}
  done
}

# ---- What a reader sees ------------------------------------------------------

# scene TITLE begins a scene; standard input says what is tried, and why.
scene() {
  ((scenes == 0)) || pause
  scenes=$((scenes + 1)) scene_title=$1
  ((scenes < from)) || show_again
  printf '\n%s%d. %s%s\n\n' "$bold" "$scenes" "$1" "$plain"
  cat
}

# say prints a line between requests, such as "Before, at step 5:".
say() { printf '\n%s\n' "$*"; }

# show_again ends the part that is not shown, and says what it left.
show_again() {
  [[ $hidden ]] || return 0
  hidden=''
  exec >&4 4>&-
  answers=() answer_scenes=() # a reader has not seen them
  printf '%d expectations were met before. There are now: %s\n' "$expectations" "${held:-no servers and no tokens}"
}

# pause [WORDS] waits for a key, and says where a second terminal finds what has a
# name here.
pause() {
  [[ $pausing && -z $hidden ]] || return 0
  if [[ $held != "$held_shown" ]]; then
    printf '\n%sIn a second terminal, this sets %s:%s\n  . %s\n' "$dim" "${held// /, }" "$plain" "$work/names"
    held_shown=$held
  fi
  printf '\n%s%s%s ' "$dim" "${1:-Press a key to go on.}" "$plain"
  read -r -s -n 1 -u 3 || true
  printf '\n'
}

# command_line puts a command into $command, as a shell takes it: for curl, an
# option a line.
command_line() {
  local word quoted apostrophe="'" escaped="'\\''"
  command=''
  for word in "$@"; do
    with_names "$word"
    if [[ $named != "$word" ]]; then
      quoted="\"$named\""
    elif [[ $word =~ ^[A-Za-z0-9_./:=@,%+-]+$ ]]; then
      quoted=$word
    else
      quoted=$apostrophe${word//$apostrophe/$escaped}$apostrophe
    fi
    case $1$word in
      curl-[dHX] | curl--data-binary | curl--path-as-is) command+=$' \\\n    '$quoted ;;
      *) command+="${command:+ }$quoted" ;;
    esac
  done
}

print_command() {
  command_line "$@"
  printf '  %s%s%s\n' "$bold" "$command" "$plain"
}

# print_answer prints the last answer, but a long one that was there before only
# by its status line.
print_answer() {
  local i text
  text=$(render_answer)
  for i in ${answers[@]+"${!answers[@]}"}; do
    if [[ $text == "${answers[i]}" && $text == *$'\n'*$'\n'*$'\n'* ]]; then
      printf '%s\n  %s(the rest is the same as above, in scene %d)%s\n\n' "${text%%$'\n'*}" "$dim" "${answer_scenes[i]}" "$plain"
      return
    fi
  done
  answers+=("$text") answer_scenes+=("$scenes")
  printf '%s\n\n' "$text"
}

# render_answer prints the status line, the headers that matter here, and the
# body; JSON through jq, and of it only what $show selects.
render_answer() {
  awk '
    { name = tolower($0); sub(/:.*/, "", name) }
    name == "content-type" && /application\/json$/ { next }
    NR == 1 || name ~ /^(www-authenticate|allow|location|retry-after|cache-control|content-type|access-control-.*)$/ {
      gsub(/", /, "\",\n    ")
      print "  " $0
    }' "$work/head"
  if [[ ! -s $work/body ]]; then
    printf '  %s(no body)%s\n' "$dim" "$plain"
  elif ! jq empty "$work/body" 2>/dev/null; then
    awk '{ print "  " $0 }' "$work/body" # unlike sed, ends the last line too
  else
    [[ -z ${show:-} ]] || printf "  %sof the body, jq '%s':%s\n" "$dim" "$show" "$plain"
    jq "$jq_colour" "${show:-.}" "$work/body" | sed 's/^/  /'
  fi
}

# ---- Requests ----------------------------------------------------------------

# request URL [OPTION…] shows a request and its answer.
request() {
  printf '\n'
  print_command curl -i "$@"
  printf '\n'
  ask "$@"
  print_answer
}

# ask is request without a word. It leaves $status, and head and body in $work.
ask() {
  : >"$work/body"
  # Without the user's .curlrc and proxies, and without waiting for a 100.
  status=$(curl -q -sS --noproxy '*' --max-time 30 -H Expect: -o "$work/body" -D "$work/head.raw" \
    -w '%{http_code}' "$@" 2>"$work/curl.err") || fail 'there was no answer' "$(cat "$work/curl.err")"
  tr -d '\r' <"$work/head.raw" >"$work/head"
}

# post URL BODY [OPTION…] posts JSON.
post() { request "$1" "${@:3}" -H 'Content-Type: application/json' -d "$2"; }

# legacy URL METHOD PARAMS [OPTION…] sends a request as of 2025-11-25. PARAMS
# may be empty.
legacy() {
  post "$1" "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$2\"${3:+,\"params\":$3}}" "${@:4}"
}

# modern URL METHOD PARAMS [OPTION…] sends a request as of 2026-07-28: it says
# by itself which version it speaks, and its headers name what its body asks.
modern() {
  local name='' params=${3:-'{}'} headers
  name=$(jq -r '.name // empty' <<<"$params")
  headers=(-H 'MCP-Protocol-Version: 2026-07-28' -H "Mcp-Method: $2")
  [[ -z $name ]] || headers+=(-H "Mcp-Name: $name")
  modern_body "$2" "$params"
  post "$1" "$body" "${headers[@]}" "${@:4}"
}

# modern_body METHOD PARAMS puts the body of a request as of 2026-07-28 into
# $body.
modern_body() {
  local params=${2%\}}
  [[ $params == '{' ]] || params+=$',\n       '
  body="{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":$params\"_meta\":{
         \"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",
         \"io.modelcontextprotocol/clientInfo\":{\"name\":\"curl\",\"version\":\"1\"},
         \"io.modelcontextprotocol/clientCapabilities\":{}}}}"
}

# ---- Expectations about the last answer --------------------------------------

# expect WHAT WANT GOT counts an expectation, and fails where it isn't met.
expect() {
  expectations=$((expectations + 1))
  if [[ $2 != "$3" ]]; then
    fail "expectation $expectations is not met: $1" "expected: ${2:-(nothing)}" "got:      ${3:-(nothing)}"
  fi
  printf '  %sok%s  %s\n' "$green" "$plain" "$1"
}

expect_status() { expect "the status is $1" "$1" "$status"; }

# header_values NAME prints the values of a header, a line each.
header_values() {
  awk -v want="$1" 'NR > 1 {
    name = $0; sub(/:.*/, "", name)
    if (tolower(name) == tolower(want)) { sub(/^[^:]*: */, ""); print }
  }' "$work/head"
}

# expect_header NAME VALUE [WORDS] wants exactly that value. WORDS say it
# shorter.
expect_header() { expect "${3:-$1: $2}" "$2" "$(header_values "$1")"; }

expect_no_header() { expect "there is no header $1" '' "$(header_values "$1")"; }

# expect_json FILTER JSON [WORDS] holds what jq's FILTER finds against a JSON
# value. WORDS say it, where the filter doesn't.
expect_json() {
  local got words=${3:-"$1 is $2"}
  [[ $1 != . ]] || words="the body is $2"
  got=$(jq -c "$1" "$work/body" 2>/dev/null) || got="no JSON for this: $(cat "$work/body")"
  expect "$words" "$2" "$got"
}

expect_no_body() { expect 'there is no body' '' "$(cat "$work/body")"; }

# expect_no_token_in_logs ends the servers, so that their logs are complete,
# and looks for the telling parts of every token that was made: payload and
# signature.
expect_no_token_in_logs() {
  local name token part found=''
  for name in "${servers[@]}"; do
    stop "$name"
    expect "the log of $name (${!name}) names the requests" yes \
      "$(grep -q 'msg=request ' "$work/$name.log" && echo yes)"
    for token in "${tokens[@]}"; do
      token=${token#*.}
      for part in "${token%%.*}" "${token#*.}"; do
        if ((${#part} > 15)) && grep -qF -e "$part" "$work/$name.log"; then
          found+=" the log of $name"
          continue 3
        fi
      done
    done
  done
  expect "no log holds a part of a token (tokens made: ${#tokens[@]})" '' "$found"
}
