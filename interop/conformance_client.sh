#!/usr/bin/env bash
# Runs the client scenarios of MCP's conformance suite, at both revisions,
# against interop/conformance-client: internal/mcpclient/mcpauth under mcp-go. The suite
# brings the servers.
#
# Everything that a revision requires is run, and every extension on both wires.
# A scenario has to pass, or to have an entry with a reason in
# conformance-client-baseline.json; what such an entry says has to be true. The
# rules are in conformance_client.jq. A pass without a check is a failure.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

revisions=(2025-11-25 2026-07-28)

suite() { client interop/node_modules/.bin/conformance "$@"; }

go build -o "$work/conformance-client" ./interop/conformance-client || die "the client does not build"

for revision in "${revisions[@]}"; do
  # What the revision requires, and what it runs without scoring it.
  sed -n '/^client:/,/^not_scored:/s/^  - \([^ ]*\)$/\1/p' \
    "interop/node_modules/@modelcontextprotocol/conformance/requirements/$revision.yaml" >"$work/wanted.$revision"
  sed -n '/^not_scored:/,$p' "interop/node_modules/@modelcontextprotocol/conformance/requirements/$revision.yaml" |
    sed -n '/^  - scenario: /{s/^  - scenario: //;h;};/^    leg: client$/{g;p;}' >>"$work/wanted.$revision"
  jq -Rn --arg revision "$revision" '[inputs | {revision: $revision, scenario: .}]' "$work/wanted.$revision" >"$work/wanted.$revision.json"
  # The suite's own exit status doesn't count what is empty, and counts what is
  # excepted.
  suite client --command "$work/conformance-client" --requirements "$revision" \
    --output-dir "$work/results/$revision" >"$work/suite.out" 2>&1 || true
  [[ -d $work/results/$revision ]] || die "the suite left no results: $(tail -n 1 "$work/suite.out")"
done
jq -s add "$work"/wanted.*.json >"$work/wanted.json"

# Each result is in REVISION/SCENARIO-TIME/, the scenario with its slash.
while IFS= read -r file; do
  folder=$(dirname "$file")
  cat "$folder/stderr.txt" "$folder/stdout.txt" >"$work/said"
  jq --arg file "${file#"$work/results/"}" --rawfile said "$work/said" \
    '($file | capture("^(?<revision>[^/]+)/(?<scenario>.+)-[0-9]{4}-[0-9]{2}-[0-9]{2}T[^/]*/checks.json$")) + {checks: ., said: $said}' "$file"
done < <(find "$work/results" -name checks.json) | jq -s . >"$work/results.json"

jq -nr -f interop/conformance_client.jq \
  --slurpfile wanted "$work/wanted.json" \
  --slurpfile results "$work/results.json" \
  --slurpfile baseline interop/conformance-client-baseline.json >"$work/table"

declare -A count
passed=0 failed=0
while IFS=$'\t' read -r verdict revision scenario good bad note; do
  printf '%-6s  %-10s  %-40s  %2s passed  %2s failed  %s\n' "$verdict" "$revision" "$scenario" "$good" "$bad" "$note"
  case $scenario in
    auth/client-credentials-* | auth/enterprise-* | auth/dpop* | auth/wif-*) kind=extensions ;;
    auth/*) kind=authorization ;;
    *) kind=general ;;
  esac
  count[$revision $kind $verdict]=$((${count[$revision $kind $verdict]:-0} + 1))
  case $verdict in
    passed) passed=$((passed + 1)) ;;
    except) ;;
    *) failed=$((failed + 1)) ;;
  esac
done <"$work/table"

echo
for revision in "${revisions[@]}"; do
  for kind in authorization extensions general; do
    summary client "$revision" "$kind" "${count[$revision $kind passed]:-0}" "${count[$revision $kind failed]:-0}" \
      "${count[$revision $kind empty]:-0}" "${count[$revision $kind except]:-0}"
  done
done
show_summary "$work/summary"
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
