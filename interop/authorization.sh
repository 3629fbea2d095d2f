#!/usr/bin/env bash
# Runs the authorization server scenarios of MCP's conformance suite against
# the embedded authorization server, or against the one named by --issuer: all
# checks of all scenarios must pass. The suite prints a URL and waits for
# somebody to log in; interop/login does.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

issuer=''
case ${1-} in
  '') ;;
  --issuer) issuer=${2:?"--issuer needs a URL"} ;;
  *) die "unknown argument $1; the only one is --issuer URL" ;;
esac
if [[ -z $issuer ]]; then
  start_server step9 -keys "$work/keys" -advertise-documents # the suite expects it
  issuer=$url/realms/mcp-realm
fi
go build -o "$work/login" ./interop/login || die "interop/login does not build"
suite() { client interop/node_modules/.bin/conformance "$@"; }

suite list --authorization >"$work/list"
mapfile -t scenarios < <(sed -n 's/^  - \([^ ]*\) .*/\1/p' "$work/list")
((${#scenarios[@]} > 0)) || die "the suite lists no scenarios"

port=$(free_port)
suite authorization --url "$issuer" --client-id mcp-test-client --resource "${MCP_RESOURCE:-http://localhost:9000/mcp}" \
  --port "$port" --output-dir "$work/results" >"$work/suite.out" 2>&1 &
suite_pid=$!
servers+=("$suite_pid")
until authorization=$(grep -m1 "^$issuer" "$work/suite.out") && grep -q '^Waiting' "$work/suite.out"; do
  kill -0 "$suite_pid" 2>/dev/null || die "the suite ended before it asked for a login: $(tail -n 3 "$work/suite.out")"
  ((SECONDS < 120)) || die "the suite asked for no login within two minutes"
  sleep 0.1
done
LOGIN=mcp-user:user123 "$work/login" "$authorization" || die "the login failed"
wait "$suite_pid" || true # its status is judged by its results

passed=0 failed=0 empty=0 # checks
good=0 bad=0              # scenarios
for scenario in "${scenarios[@]}"; do
  verdict=passed
  # An empty pass is none: what has no checks failed.
  found=$(find "$work/results" -path "*$scenario*" -name checks.json -exec cat {} +)
  while IFS=$'\t' read -r status id message; do
    printf '%-7s  %-38s  %s  %s\n' "$status" "$scenario" "$id" "$message"
    case $status in
      SUCCESS) passed=$((passed + 1)) ;;
      EMPTY) empty=$((empty + 1)) failed=$((failed + 1)) verdict=empty ;;
      *) failed=$((failed + 1)) verdict=failed ;;
    esac
  done < <(jq -rs 'if length == 0 or (add | length) == 0 then "EMPTY\t-\tno checks" else add[] | [.status, .id, .errorMessage // ""] | @tsv end' <<<"$found")
  case $verdict in
    passed) good=$((good + 1)) ;;
    failed) bad=$((bad + 1)) ;;
  esac
done
echo
summary "authorization server" all all "$good" "$bad" "$empty" 0
show_summary "$work/summary"
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed >= ${#scenarios[@]}))
