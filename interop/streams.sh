#!/usr/bin/env bash
# Shows that the layers break nothing of what an MCP server does: streams, sessions,
# resources, sampling, elicitation, progress. The conformance suite's server
# scenarios run against go-sdk's own test server, with and without sessions: bare,
# and behind the layers as a reverse proxy (interop/layers) with a token. At both
# revisions the same checks must run, and what passes bare must pass behind them.
# With sessions, go-sdk answers some methods that 2026-07-28 no longer has; the
# layers refuse them, so there more checks pass behind them.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

go build -o "$work/" ./cmd/step9 ./interop/layers || die "a program does not build"
go -C interop/servers/gosdk build -o "$work/everything" github.com/modelcontextprotocol/go-sdk/conformance/everything-server ||
  die "go-sdk's everything-server does not build"

# suite NAME URL REVISION writes the checks of all scenarios that the suite runs,
# one a line: scenario, id, outcome.
suite() {
  client ${TOKEN:+--import "$PWD/interop/bearer.mjs"} interop/node_modules/.bin/conformance server \
    --url "$2/mcp" --suite all --spec-version "$3" --output-dir "$work/results/$1/$3" >"$work/$1-$3.out" 2>&1 || true
  [[ -d $work/results/$1/$3 ]] || die "the suite left no results: $(tail -n 1 "$work/$1-$3.out")"
  find "$work/results/$1/$3" -name checks.json -exec jq -r '(input_filename | capture("/server-(?<s>[^/]+)-[0-9]{4}-[0-9]{2}-[0-9]{2}T[^/]*/checks.json$").s) as $s
    | .[] | [$s, .id, .status] | @tsv' {} + | sort >"$work/$1-$3.checks"
}

passed=0 failed=0
for sessions in stateless stateful; do
  port=$(free_port)
  "$work/everything" -http "localhost:$port" -stateless="$([[ $sessions == stateless ]] && echo true || echo false)" >"$work/$sessions.log" 2>&1 &
  servers+=("$!")
  until (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done
  own=$(free_port)
  start step9 "$work/step9" -addr localhost:0 -keys "$work/keys" -resource "http://localhost:$own/mcp"
  issuer=$url/realms/mcp-realm
  token=$(curl -sSf "$issuer/protocol/openid-connect/token" -d grant_type=password -d client_id=mcp-test-client \
    -d username=mcp-user -d password=user123 -d scope=mcp:read | jq -r .access_token)
  start layers "$work/layers" -addr "localhost:$own" -upstream "http://localhost:$port" -issuer "$issuer"
  until curl -sf "$url/readyz" >/dev/null; do sleep 0.1; done
  for revision in 2025-11-25 2026-07-28; do
    TOKEN='' suite "bare-$sessions" "http://localhost:$port" "$revision" &
    bare=$!
    TOKEN=$token suite "layers-$sessions" "$url" "$revision"
    wait "$bare"
    bare=$work/bare-$sessions-$revision.checks layered=$work/layers-$sessions-$revision.checks
    good=$(grep -c SUCCESS "$bare" || true)
    # The same checks ran, and what passes bare passes behind the layers.
    if ((good > 0)) && diff <(cut -f1,2 "$bare") <(cut -f1,2 "$layered") >"$work/difference" &&
      [[ -z $(comm -23 <(grep SUCCESS "$bare") <(grep SUCCESS "$layered") | tee -a "$work/difference") ]]; then
      passed=$((passed + 1)) verdict=ok
    else
      failed=$((failed + 1)) verdict=FAIL
    fi
    printf '%-4s  %-9s  %s  bare: %d checks, %d passed; behind the layers: %d checks, %d passed\n' "$verdict" "$sessions" "$revision" \
      "$(wc -l <"$bare")" "$good" "$(wc -l <"$layered")" "$(grep -c SUCCESS "$layered" || true)"
    [[ $verdict == ok ]] || cat "$work/difference"
  done
done
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
