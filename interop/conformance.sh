#!/usr/bin/env bash
# Runs the server scenarios of MCP's conformance suite, at both revisions,
# against step 4 and, with a token, against step 8.
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

# run STEP runs all scenarios at all revisions against the server at $url.
run() {
  local revision
  for revision in "${revisions[@]}"; do
    # The suite's own exit status counts the exceptions as failures.
    suite server --url "$url/mcp" --suite all --spec-version "$revision" \
      --output-dir "$work/results/$1/$revision" >"$work/suite.out" 2>&1 || true
    [[ -d $work/results/$1/$revision ]] || die "the suite left no results: $(tail -n 1 "$work/suite.out")"
  done
}

start_server step4
run step4
start_server step8 -keys "$work/keys"
TOKEN=$(token --username alice --scopes mcp:read,mcp:tools,mcp:prompts)
run step8
TOKEN=

# Each result is in STEP/REVISION/server-SCENARIO-TIME/checks.json.
find "$work/results" -name checks.json -exec jq '{file: input_filename, checks: .}' {} + |
  jq -n '[inputs | . + (.file | capture("/(?<step>[^/]+)/(?<revision>[^/]+)/server-(?<scenario>[^/]+)-[0-9]{4}-[0-9]{2}-[0-9]{2}T[^/]*/checks.json$"))]' \
    >"$work/results.json"

jq -nr -f interop/conformance.jq \
  --slurpfile suite "$work/suite.json" \
  --slurpfile results "$work/results.json" \
  --slurpfile baseline interop/conformance-baseline.json \
  --args "${revisions[@]}" >"$work/table"

passed=0 excepted=0 failed=0
while IFS=$'\t' read -r verdict step revision scenario good bad skipped note; do
  printf '%-6s  %-5s  %-10s  %-44s  %2s passed  %2s failed  %2s skipped  %s\n' \
    "$verdict" "$step" "$revision" "$scenario" "$good" "$bad" "$skipped" "$note"
  case $verdict in
    ok) passed=$((passed + 1)) ;;
    except) excepted=$((excepted + 1)) ;;
    *) failed=$((failed + 1)) ;;
  esac
done <"$work/table"
printf '%d more are excepted, each with its reason in interop/conformance-baseline.json\n' "$excepted"
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
