#!/usr/bin/env bash
# Runs MCP Inspector without its window against the servers: step 4, which asks
# for no token, and step 8 with tokens and without. Each row is one run of
# Inspector; "legacy" is the era of initialize (2025-11-25), "modern" the one
# where each request says its version (2026-07-28).
#
# Inspector's exit statuses: 1 error, 3 authorization needed, 5 tool error.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

passed=0 failed=0

# check WHAT STATUS FILTER ARGUMENT... runs Inspector on the server of $step in
# $era, and expects that exit status, and the jq filter to hold for its answer:
# .result or .error as Inspector prints them, and .requests as the server saw
# them.
check() {
  local what=$1 want=$2 filter=$3 got=0 verdict=ok before
  shift 3
  before=$(wc -l <"$log")
  client interop/node_modules/.bin/mcp-inspector --cli "$url/mcp" --transport http \
    --protocol-era "$era" --format json "$@" >"$work/stdout" 2>"$work/stderr" || got=$?
  {
    cat "$work/stdout"
    # The last line tells what went wrong, and is JSON like the result.
    tail -n 1 "$work/stderr" | grep '^{' || true
    tail -n "+$((before + 1))" "$log" |
      sed -n 's/.* msg=request method=\([A-Z]*\) path=\([^ ]*\) status=\([0-9]*\) .*/\1 \2 \3/p' |
      jq -Rn '{requests: [inputs]}'
  } | jq -sc add >"$work/answer" || true

  if [[ $got != "$want" ]] || ! jq -e "$filter" "$work/answer" >/dev/null 2>&1; then
    verdict=FAIL
  fi
  printf '%-4s  %-5s  %-6s  exit %d  %s\n' "$verdict" "$step" "$era" "$got" "$what"
  if [[ $verdict == ok ]]; then
    passed=$((passed + 1))
    return
  fi
  failed=$((failed + 1))
  printf '      expected exit %d and %s\n' "$want" "$filter"
  sed 's/^/      /' "$work/stdout" "$work/stderr" "$work/answer" | cut -c 1-1000
}

# as TOKEN sets the arguments that present it; without a token, there are none.
# Either way Inspector may not go and ask for another.
as() {
  credentials=(--stored-auth-only)
  if [[ $1 ]]; then credentials+=(--header "Authorization: Bearer $1"); fi
}

# At 2025-11-25 the challenge names what the token has, too (WA10).
declare -A missing=([legacy]="mcp:tools mcp:read" [modern]=mcp:tools)
declare -A version=([legacy]=2025-11-25 [modern]=2026-07-28)
both='{"message": "hi", "repeat_count": 2}'
refused='.error.code == "auth_required" and (.requests | unique) == ["POST /mcp 401"]'

# connect_and_use TOOLS: what works alike with and without authorization.
connect_and_use() {
  check "connects with ${version[$era]}" 0 ".result.protocolVersion == \"${version[$era]}\"" \
    --method initialize "${credentials[@]}"
  check "lists tools: $1" 0 "[.result.tools[].name] == (\"$1\" / \" \")" \
    --method tools/list "${credentials[@]}"
  check "calls echo" 0 '.result.structuredContent.text == "hihi" and .result.content[0].text == "hihi"' \
    --method tools/call --tool-name echo --tool-args-json "$both" "${credentials[@]}"
  check "lists prompts" 0 '[.result.prompts[].name] == ["echo_prompt", "greeting", "help"]' \
    --method prompts/list "${credentials[@]}"
}

# Until step 9 nobody here hands out tokens, and the metadata says so: it names
# no endpoints. A client that may go and get a token reads both documents and
# stops there. It registers nowhere and sends nobody to a browser.
stop_at_metadata() {
  MCP_AUTO_OPEN_ENABLED=true check "looks for a token, and stops: the metadata names no endpoints" 1 '
    (.error.message | fromjson | map(.path[0]) | sort) ==
      ["authorization_endpoint", "response_types_supported", "token_endpoint"]
    and .requests - ["POST /mcp 401"] ==
      ["GET /.well-known/oauth-protected-resource/mcp 200", "GET /.well-known/oauth-authorization-server 200"]
    ' --method tools/list
}

step=step4
start_server step4
as ""
for era in legacy modern; do
  connect_and_use "echo get_time"
  check "gets a prompt" 0 '.result.messages[0].content.text | contains("greet Ada")' \
    --method prompts/get --prompt-name greeting --prompt-args name=Ada
  check "is told which argument is wrong" 5 '.result.isError and (.result.content[0].text | contains("repeat_count"))' \
    --method tools/call --tool-name echo --tool-args-json '{"message": "hi", "repeat_count": 11}'
done
era=auto
check "picks 2026-07-28 when both eras are there" 0 '.result.protocolVersion == "2026-07-28"' --method initialize

step=step8
start_server step8 -keys "$work/keys"
alice=$(token --username alice --scopes mcp:read,mcp:tools)
reader=$(token --username alice --scopes mcp:read)
guest=$(token --username guest --scopes mcp:read,mcp:tools)
expired=$(token --username alice --flaw expired)
elsewhere=$(token --username alice --flaw wrong-audience)
for era in legacy modern; do
  as "$alice"
  connect_and_use "echo get_time whoami"
  check "is alice" 0 '.result.structuredContent.username == "alice"' \
    --method tools/call --tool-name whoami "${credentials[@]}"

  as ""
  check "lists nothing without a token" 3 "$refused" --method tools/list "${credentials[@]}"
  check "calls nothing without a token" 3 "$refused" \
    --method tools/call --tool-name echo --tool-args-json "$both" "${credentials[@]}"
  as "$expired"
  check "lists nothing with an expired token" 3 "$refused" --method tools/list "${credentials[@]}"
  as "$elsewhere"
  check "lists nothing with a token for another server" 3 "$refused" --method tools/list "${credentials[@]}"

  as "$reader"
  check "is told the scope that is missing" 1 \
    "(.error.message | contains(\"\\\"${missing[$era]}\\\"\")) and .requests[-1] == \"POST /mcp 403\"" \
    --method tools/call --tool-name echo --tool-args-json "$both" "${credentials[@]}"
  as "$guest"
  check "is told that the role forbids it" 3 \
    '(.error.message | contains("access_denied")) and .error.status == 403' \
    --method tools/call --tool-name echo --tool-args-json "$both" "${credentials[@]}"
  stop_at_metadata
done

step=step7
start_server step7 -keys "$work/keys"
for era in legacy modern; do stop_at_metadata; done

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
