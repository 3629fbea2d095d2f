#!/usr/bin/env bash
# Lets MCP Inspector find its own way to a token, from nothing but the URL of
# step 10: it reads both metadata documents, registers, sends a browser (played
# by interop/login) to the provider, and calls tools with what it gets. The
# provider is step 9, or what --issuer names, which must give out tokens for
# http://localhost:9000/mcp.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

issuer='' port=9000
case ${1-} in
  '') ;;
  --issuer) issuer=${2:?"--issuer needs a URL"} ;;
  *) die "unknown argument $1; the only one is --issuer URL" ;;
esac
if [[ -z $issuer ]]; then
  port=$(free_port)
  start_server step9 -keys "$work/keys" -resource "http://localhost:$port/mcp"
  issuer=$url/realms/mcp-realm
fi
go build -o "$work/login" ./interop/login || die "interop/login does not build"
BROWSER=$work/login MCP_AUTO_OPEN_ENABLED=true
MCP_SERVER_URL=http://localhost:$port JWT_ISSUER=$issuer JWT_DIALECT=keycloak start_server step10 -addr "localhost:$port"

passed=0 failed=0
# check WHAT STATUS FILTER ARGUMENT... runs Inspector, in the era $era and with
# the oauth settings $oauth, and expects that exit status and the jq filter to
# hold for what it prints.
check() {
  local what=$1 want=$2 filter=$3 got=0 verdict=ok
  shift 3
  jq -n --arg url "$url/mcp" --arg era "$era" --argjson oauth "$oauth" \
    '{mcpServers: {it: {type: "streamable-http", url: $url, protocolEra: $era, oauth: $oauth}}}' >"$work/config.json"
  client interop/node_modules/.bin/mcp-inspector --cli --config "$work/config.json" --server it \
    --format json "$@" >"$work/stdout" 2>"$work/stderr" || got=$?
  if [[ $got != "$want" ]] || ! jq -se "$filter" "$work/stdout" <(grep -o '{"error".*' "$work/stderr") >/dev/null 2>&1; then
    verdict=FAIL
  fi
  printf '%-4s  %-6s  exit %d  %s\n' "$verdict" "$era" "$got" "$what"
  if [[ $verdict == ok ]]; then
    passed=$((passed + 1))
    return
  fi
  failed=$((failed + 1))
  printf '      expected exit %d and %s\n' "$want" "$filter"
  sed 's/^/      /' "$work/stdout" "$work/stderr" | cut -c 1-1000
}

echo_twice=(--method tools/call --tool-name echo --tool-args-json '{"message": "hi", "repeat_count": 2}')
for era in legacy modern; do
  LOGIN=mcp-user:user123 oauth='{}'
  check "finds its way to a token, and lists the tools" 0 'any(.[]; [.result.tools[]?.name] == ["echo", "get_time", "whoami"])' \
    --method tools/list
  check "calls a tool" 0 'any(.[]; .result.structuredContent.text == "hihi")' "${echo_twice[@]}"
  check "is the user who logged in" 0 'any(.[]; .result.structuredContent.username == "mcp-user")' \
    --method tools/call --tool-name whoami
  LOGIN=mcp-readonly:readonly123
  # It asks for mcp:tools once more, in vain: by a question that nobody is there to
  # answer, or by a refresh.
  check "calls nothing for a user who may only read" 1 \
    'any(.[]; .error.message // "" | test("Step-up authorization declined|without authorization code"))' "${echo_twice[@]}"
done
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
