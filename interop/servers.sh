#!/usr/bin/env bash
# Lets the client of step 11 at MCP servers that are not ours: one of mcp-go,
# one of the TypeScript SDK, one of the Go SDK, each with its own protection
# (interop/servers). Each stands before an authorization server of step 9 that
# gives out tokens for it, and the client is told nothing but its URL.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

command -v curl >/dev/null || die "curl is missing; install it"
go build -o "$work/" ./cmd/step11 ./interop/servers/mcpgo || die "the client or the mcp-go server does not build"
go -C interop/servers/gosdk build -o "$work/gosdk" . || die "the Go SDK server does not build"
export ECHO_MCP_SERVER_SECRET=demo-secret-change-me # for introspection; step 9 reads it too

declare -A passed=() failed=()

# verdict WHAT STATUS counts a check, and prints it.
verdict() {
  local word=ok
  if (($2 == 0)); then
    passed[$kind]=$((${passed[$kind]:-0} + 1))
  else
    failed[$kind]=$((${failed[$kind]:-0} + 1)) word=FAIL
  fi
  printf '%-4s  %-10s  %s\n' "$word" "$kind" "$1"
}

# check WHAT STATUS FILTER FLAG... runs the client and expects that exit status,
# and the jq filter to hold for what it did: .result, and .did with one line for
# each exchange, such as "mcp 401" or "browser callback 200".
check() {
  local what=$1 want=$2 filter=$3 got=0 good=0
  shift 3
  "$work/step11" --server "$server" --json "$@" >"$work/stdout" 2>"$work/stderr" </dev/null || got=$?
  jq -s --arg server "$server" '{
    result: (map(.result // empty) | first),
    notes: map(.note // empty),
    did: map(.exchange // empty | (.url | split("?")[0]) as $url
      | (if $url == $server then "mcp" else ($url | split("/") | if .[3] == ".well-known" then .[4] else last end) end)
      + " \(.status // "")")
  }' "$work/stdout" >"$work/answer" || true
  [[ $got == "$want" ]] && jq -e "$filter" "$work/answer" >/dev/null || good=1
  verdict "$what" "$good"
  if ((good != 0)); then
    printf '      expected exit %d, got %d; expected %s\n' "$want" "$got" "$filter"
    sed 's/^/      /' "$work/answer" "$work/stderr" | cut -c 1-1000
  fi
}

# send TOKEN prints status and challenge of a request with it.
send() {
  curl -sS --max-time 10 -o "$work/body" -w '%{http_code} %header{www-authenticate}\n' "$server" \
    -H @<(printf 'Authorization: Bearer %s\n' "$1") -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
    -d '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}'
}

# kept_token prints the token that the client keeps, or nothing.
kept_token() { jq -r .token.access_token "$work/$kind"/*.json 2>/dev/null || true; }

# tampered: a token with one claim changed is refused, and without the change it
# is not.
tampered() {
  local token header payload signature good
  token=$(kept_token)
  IFS=. read -r header payload signature <<<"$token"
  payload=$(jq -rn --arg payload "$payload" '$payload | gsub("-"; "+") | gsub("_"; "/") | @base64d | fromjson
    | .scope = "mcp:read mcp:tools mcp:prompts" | tojson | @base64 | gsub("\\+"; "-") | gsub("/"; "_") | gsub("="; "")' 2>/dev/null || true)
  good=0
  [[ $(send "$token") == 200* ]] || good=1
  verdict "takes the token itself" "$good"
  good=0
  [[ $signature && $(send "$header.$payload.$signature") == "401 Bearer "* ]] || good=1
  verdict "refuses the token with more scopes written into it" "$good"
}

# found: each stage once, in the order of the specification, and no other.
found='.did[:8] == ["mcp 401", "oauth-protected-resource 200", "oauth-authorization-server 200", "openid-connect 201",
  "auth ", "callback 200", "token 200", "mcp 200"]'
reused='(.did | length > 0 and all(.[]; startswith("mcp ") and . != "mcp 401" and . != "mcp 403"))'
add=(--call add --arg a=2 --arg b=40)

# meet KIND COMMAND... starts a server with an authorization server of its own,
# and goes through all that it supports.
meet() {
  kind=$1
  shift
  local port issuer
  port=$(free_port)
  server=http://localhost:$port/mcp
  start_server step9 -keys "$work/keys" -resource "$server"
  issuer=$url/realms/mcp-realm
  start "$kind" "$@" -addr "localhost:$port" -issuer "$issuer"

  user=(--login mcp-user:user123 --store "$work/$kind")
  check "finds its way from the URL alone, and lists the tools" 0 "$found"' and (.result | test("^add .*\nuser "))' "${user[@]}"
  check "calls a tool with the token that it has" 0 "$reused"' and .result == "mcp-user"' "${user[@]}" --call user
}

step_up='.did[-7:] == ["mcp 403", "oauth-protected-resource 200", "oauth-authorization-server 200",
    "auth ", "callback 200", "token 200", "mcp 200"]
  and ([.did[] | select(. == "mcp 403")] | length == 1) and .result == "42"'

meet mcp-go "$work/mcpgo"
check "steps up for a tool that needs more" 0 "$step_up" "${user[@]}" "${add[@]}"
tampered
check "ends where the user may not have more" 3 '[.did[] | select(. == "auth ")] | length == 2' \
  --login mcp-readonly:readonly123 --store "$work/readonly-$kind" "${add[@]}"
check "gives the token back" 0 '[.did[] | select(. == "revoke 200")] | length == 2' "${user[@]}" --forget

meet typescript interop/node_modules/.bin/node interop/servers/typescript.mjs
check "steps up for a tool that needs more" 0 "$step_up" "${user[@]}" "${add[@]}"
tampered
check "ends where the user may not have more" 3 '[.did[] | select(. == "auth ")] | length == 2' \
  --login mcp-readonly:readonly123 --store "$work/readonly-$kind" "${add[@]}"
check "gives the token back" 0 '[.did[] | select(. == "revoke 200")] | length == 2' "${user[@]}" --forget

# This one has no step-up: it asks for all scopes at the start.
meet go-sdk "$work/gosdk"
check "calls a tool that needs the scope asked for at the start" 0 "$reused"' and .result == "42"' "${user[@]}" "${add[@]}"
tampered
check "ends, and asks nobody twice, where the user may not have all" 3 \
  '.did[-1] == "mcp 403" and ([.did[] | select(. == "auth ")] | length == 1)' \
  --login mcp-readonly:readonly123 --store "$work/readonly-$kind" "${add[@]}"
token=$(kept_token)
check "gives the token back" 0 '[.did[] | select(. == "revoke 200")] | length == 2' "${user[@]}" --forget
good=0
[[ $token && $(send "$token") == "401 Bearer "* ]] || good=1
verdict "refuses the token once it was given back" "$good"

printf '\n%-10s  %6s  %6s\n' server passed failed
all_passed=0 all_failed=0
for kind in mcp-go typescript go-sdk; do
  printf '%-10s  %6d  %6d\n' "$kind" "${passed[$kind]:-0}" "${failed[$kind]:-0}"
  all_passed=$((all_passed + ${passed[$kind]:-0})) all_failed=$((all_failed + ${failed[$kind]:-0}))
  ((${passed[$kind]:-0} > 0)) || all_failed=$((all_failed + 1))
done
printf '%d passed, %d failed\n' "$all_passed" "$all_failed"
((all_failed == 0))
