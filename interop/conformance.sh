#!/usr/bin/env bash
# Runs the server scenarios of MCP's conformance suite, at both revisions,
# against the MCP servers of the steps, from step 6 on with a token.
#
# Every scenario of the suite has to pass, or to have an entry with a reason in
# conformance-baseline.json; what such an entry says has to be true. The rules
# are in conformance.jq.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

revisions=(2025-11-25 2026-07-28)

# suite ARGUMENT... runs the suite's command.
suite() {
  client ${TOKEN:+--import "$PWD/interop/bearer.mjs"} interop/node_modules/.bin/conformance "$@"
}

suite list --server >"$work/list"
jq -Rn '[inputs | select(startswith("  - "))
  | capture("^  - (?<scenario>[^ ]+) \\[(?<revisions>.+)\\]$") // error("the suite lists \(.), which has another form") | .revisions /= ","]' \
  <"$work/list" >"$work/suite.json"

# Step 1 has no MCP endpoint yet, and step 2 nothing to list: it is given the
# scenarios that list nothing.
partial='{"step2": ["server-initialize", "ping", "dns-rebinding-protection"]}'

# run STEP runs the scenarios at all revisions against the server at $url.
run() {
  local revision scenario
  local -a named what
  mapfile -t named < <(jq -r --arg step "$1" '.[$step] // [] | .[]' <<<"$partial")
  for revision in "${revisions[@]}"; do
    for scenario in "${named[@]:-}"; do
      # The suite's own exit status counts the exceptions as failures.
      if [[ $scenario ]]; then what=(--scenario "$scenario"); else what=(--suite all); fi
      suite server --url "$url/mcp" "${what[@]}" --spec-version "$revision" \
        --output-dir "$work/results/$1/$revision" >"$work/suite.out" 2>&1 || true
    done
    [[ -d $work/results/$1/$revision ]] || die "the suite left no results: $(tail -n 1 "$work/suite.out")"
  done
}

for step in step2 step3 step4 step5; do
  start_server "$step"
  run "$step"
done
for step in step6 step7 step8; do
  start_server "$step" -keys "$work/keys"
  TOKEN=$(token --username alice --scopes mcp:read,mcp:tools,mcp:prompts)
  run "$step"
done
# Step 10 takes tokens of step 9 alone.
port=$(free_port)
start_server step9 -keys "$work/keys/authorization-server" -resource "http://localhost:$port/mcp"
issuer=$url/realms/mcp-realm
TOKEN=$(curl -sSf "$issuer/protocol/openid-connect/token" -d grant_type=password -d client_id=mcp-test-client \
  -d username=mcp-admin -d password=admin123 -d 'scope=mcp:read mcp:tools mcp:prompts' | jq -r .access_token)
MCP_SERVER_URL=http://localhost:$port JWT_ISSUER=$issuer JWT_DIALECT=keycloak start_server step10 -addr "localhost:$port"
run step10
TOKEN=

# Each result is in STEP/REVISION/server-SCENARIO-TIME/checks.json.
find "$work/results" -name checks.json -exec jq '{file: input_filename, checks: .}' {} + |
  jq -n '[inputs | . + (.file | capture("/(?<step>[^/]+)/(?<revision>[^/]+)/server-(?<scenario>[^/]+)-[0-9]{4}-[0-9]{2}-[0-9]{2}T[^/]*/checks.json$"))]' \
    >"$work/results.json"

jq -nr -f interop/conformance.jq \
  --slurpfile suite "$work/suite.json" \
  --slurpfile results "$work/results.json" \
  --slurpfile baseline interop/conformance-baseline.json --argjson partial "$partial" \
  --args "${revisions[@]}" >"$work/table"

declare -A count
passed=0 excepted=0 failed=0
while IFS=$'\t' read -r verdict step revision scenario good bad skipped note; do
  printf '%-6s  %-6s  %-10s  %-44s  %2s passed  %2s failed  %2s skipped  %s\n' \
    "$verdict" "$step" "$revision" "$scenario" "$good" "$bad" "$skipped" "$note"
  count[$step $revision $verdict]=$((${count[$step $revision $verdict]:-0} + 1))
  case $verdict in
    ok) passed=$((passed + 1)) ;;
    except) excepted=$((excepted + 1)) ;;
    *) failed=$((failed + 1)) ;;
  esac
done <"$work/table"
printf '%d more are excepted, each with its reason in interop/conformance-baseline.json\n\n' "$excepted"
for revision in "${revisions[@]}"; do
  for step in step2 step3 step4 step5 step6 step7 step8 step10; do
    summary "server, $step" "$revision" all "${count[$step $revision ok]:-0}" "${count[$step $revision FAIL]:-0}" \
      "${count[$step $revision EMPTY]:-0}" "${count[$step $revision except]:-0}"
  done
done
show_summary "$work/summary"
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
