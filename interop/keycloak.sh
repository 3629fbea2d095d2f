#!/usr/bin/env bash
# A real Keycloak in the place of step 9: fetched, started and set up as the
# README says, and then all that was shown with the embedded server once more.
# The lesson scripts, MCP Inspector and Chromium use it, directly and through
# the proxy. Java and Keycloak come by scripts/keycloak.sh; what is tested
# listens on free ports, but for the MCP server, for which tokens are: 9000.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

screenshots=()
case ${1-} in
  '') ;;
  --screenshots) screenshots=(--screenshots "${2:?"--screenshots needs a folder"}") ;;
  *) die "unknown argument $1; the only one is --screenshots DIR" ;;
esac

passed=0 failed=0
# part WHAT COMMAND... runs a part, and shows what it printed if it failed.
part() {
  local what=$1 begun=$SECONDS verdict=ok
  shift
  "$@" >"$work/part" 2>&1 || verdict=FAIL
  printf '%-4s  %3d s  %s\n' "$verdict" $((SECONDS - begun)) "$what"
  if [[ $verdict == ok ]]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    sed 's/^/      /' "$work/part"
  fi
}

# says TEXT COMMAND... is a command that must succeed and print a text.
says() {
  local text=$1
  shift
  "$@" >"$work/said" 2>&1 || { cat "$work/said"; return 1; }
  cat "$work/said"
  grep -qF -- "$text" "$work/said" || { echo "it does not say: $text"; return 1; }
}

# within SECONDS WHAT COMMAND... waits until a command succeeds.
within() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    ((SECONDS < deadline)) || { echo "this took too long: $what"; return 1; }
    sleep 0.1
  done
}

# keycloak.sh start leaves the server behind, so it is ended here.
end_keycloak() {
  bash scripts/keycloak.sh stop || true
  clean_up
}
export KEYCLOAK_STATE=$work/keycloak KEYCLOAK_FEATURES=${KEYCLOAK_FEATURES:-cimd,resource-indicators}
[[ ${CI:-} != true ]] || export KEYCLOAK_INSTALL_JAVA=1
KEYCLOAK_PORT=$(free_port) KEYCLOAK_MANAGEMENT_PORT=$(free_port)
export KEYCLOAK_PORT KEYCLOAK_MANAGEMENT_PORT KEYCLOAK_URL=http://localhost:$KEYCLOAK_PORT
issuer=$KEYCLOAK_URL/realms/mcp-realm
# Clients that name themselves by a document have it on this machine, with a
# certificate of an authority of this run.
export KEYCLOAK_FEATURES=cimd,resource-indicators
go run ./interop/clients/run -certify -authority "$work/authority" || die "the certificates can't be made"
export KC_TRUSTSTORE_PATHS=$work/authority/authority.pem
bash scripts/keycloak.sh start || die "Keycloak does not start"
trap end_keycloak EXIT
go build -o "$work/step9" ./cmd/step9 || die "step9 does not build"

part "step 9 sets up the realm" says 'created' "$work/step9" --provider keycloak
part "once more changes nothing" says '0 created, 0 updated' "$work/step9" --provider keycloak
part "--check" "$work/step9" --provider keycloak --check
go build -o "$work/check" ./cmd/check || die "check does not build"
part "check issuer" says 'Step 11, the client: can send users there' "$work/check" issuer "$issuer"
part "registration by curl" bash scripts/dcr_example.sh --issuer "$issuer"
part "lesson 9" bash scripts/test_step9.sh --provider keycloak
part "lesson 10" bash scripts/test_step10.sh --provider keycloak
part "lesson 11" bash scripts/test_step11.sh --provider keycloak
part "MCP Inspector finds its way" bash interop/login.sh --issuer "$issuer"
part "clients that nobody here wrote" bash interop/clients.sh --issuer "$issuer" --authority "$work/authority"
part "step 9 in front of it" bash interop/upstream.sh --issuer "$issuer" --login mcp-user:user123 \
  --subject 6a1c3e5e-0b3d-4f0e-9a55-3f2d8c1b7a02 --jobs 1 --only 'Go SDK'
part "Chromium, all of the flow" bash interop/browser.sh --issuer "$issuer" "${screenshots[@]}"

# new_token prints a token of mcp-user, fresh from Keycloak, or nothing.
new_token() {
  curl -q -sS --noproxy '*' --max-time 30 "$issuer/protocol/openid-connect/token" \
    -d grant_type=password -d client_id=mcp-test-client -d username=mcp-user -d password=user123 \
    -d scope=mcp:read -d resource=http://localhost:9000/mcp | jq -r '.access_token // empty'
}

# send TOKEN prints the status that the MCP server has for it.
send() {
  curl -q -sS --noproxy '*' --max-time 10 -o "$work/sent" -w '%{http_code}' "$url/mcp" \
    -H @<(printf 'Authorization: Bearer %s\n' "$1") -H 'Content-Type: application/json' \
    -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' || true
}

# load sends $good, $changed and $unknown in turn and prints their statuses, until
# there is a file named enough; 400 times at most.
load() {
  local i kind
  for ((i = 0; i < 400; i++)); do
    [[ ! -e $work/enough ]] || return 0
    for kind in good changed unknown; do printf '%s %s\n' "$kind" "$(send "${!kind}")"; done
  done
}

# These are what within waits for.
gets() { [[ $(send "$2") == "$1" ]]; }
is_gone() { ! ps -o args= -p "$1" | grep -q keycloak; } # a zombie is gone
has_sent() { (($(wc -l <"$work/load") >= $1)); }
is_past() { ((SECONDS >= $1)); }

# java_of PID prints the Java process that kc.sh started, or became.
java_of() { ps -A -o pid=,ppid=,comm= | awk -v pid="$1" '($1 == pid || $2 == pid) && $3 ~ /java$/ { print $1 }'; }

# killed_under_load kills Keycloak (kill -9) while the MCP server at $url gets
# requests, and starts it again. That server must not notice: good tokens open
# it all the time, and none of the bad ones does.
# shellcheck disable=SC2034 # load reads $unknown
killed_under_load() {
  local good changed unknown script java before signature
  good=$(new_token)
  [[ $good ]] || { echo "Keycloak gave no token"; return 1; }
  # One with a signature that is wrong, and one of a key that nobody knows, for
  # which the server asks the provider: in vain, while that is away.
  signature=${good##*.}
  changed=${good%.*}.$([[ $signature == A* ]] && echo B || echo A)${signature:1}
  unknown=$(jq -rn '{alg: "RS256", typ: "JWT", kid: "nobody"} | tojson | @base64' | tr '+/' '-_' | tr -d '=').${good#*.}
  within 300 "the MCP server has the keys" gets 200 "$good" || return 1

  script=$(<"$KEYCLOAK_STATE/pid")
  java=$(java_of "$script")
  [[ $java =~ ^[0-9]+$ ]] || { echo "no Java process of Keycloak was found: '$java'"; return 1; }
  load >"$work/load" 2>"$work/load.err" &
  servers+=("$!")
  within 300 "requests before the kill" has_sent 30 || return 1
  kill -9 "$java"
  within 300 "the Java process ends" is_gone "$java" || return 1
  within 300 "kc.sh ends" is_gone "$script" || return 1
  before=$(wc -l <"$work/load")
  within 60 "three seconds" is_past $((SECONDS + 3)) || return 1
  within 300 "requests after the kill" has_sent $((before + 150)) || return 1
  [[ ! $(new_token 2>/dev/null) ]] || { echo "Keycloak still gives out tokens"; return 1; }
  touch "$work/enough"
  wait "${servers[-1]}" || { echo "the requests broke off"; return 1; }
  echo "before the kill:" && head -n "$before" "$work/load" | sort | uniq -c
  echo "while Keycloak was away:" && tail -n "+$((before + 1))" "$work/load" | sort | uniq -c
  # A token that is newer than the last keys may have a new one: 503 until they
  # are fetched again, and 401 after that.
  ! grep -vxE 'good 200|changed 401|unknown (401|503)' "$work/load" >"$work/wrong" || { echo "not all statuses are right"; cat "$work/load.err"; return 1; }

  bash scripts/keycloak.sh start || return 1
  [[ $(java_of "$(<"$KEYCLOAK_STATE/pid")") != "$java" ]] || { echo "it is the same process"; return 1; }
  good=$(new_token)
  [[ $good ]] || { echo "the new Keycloak gave no token"; return 1; }
  gets 200 "$good" || { echo "a token of the new Keycloak is refused"; return 1; }
  gets 401 "$changed" || { echo "a bad token is not refused any more"; return 1; }
}
go build -o "$work/step10" ./cmd/step10 || die "step10 does not build"

# refused_in_time gives a token back, and sees it refused by the server at $url, which
# asks Keycloak about each token (RFC 7662), when the answer no longer counts. Keycloak
# answers a client that is in aud, as echo-mcp-server is in tokens without a resource.
refused_in_time() {
  local token
  token=$(curl -q -sS --noproxy '*' --max-time 30 "$issuer/protocol/openid-connect/token" -d scope=mcp:read \
    -d grant_type=password -d client_id=mcp-test-client -d username=mcp-user -d password=user123 | jq -r '.access_token // empty')
  [[ $token ]] || { echo "Keycloak gave no token"; return 1; }
  within 180 "the MCP server accepts the token" gets 200 "$token" || return 1
  curl -q -sS --noproxy '*' --max-time 30 --fail "$issuer/protocol/openid-connect/revoke" \
    -d client_id=mcp-test-client -d token="$token" || return 1
  within 60 "the revoked token is refused" gets 401 "$token"
}

# exchanges runs the commands of docs/production.md as they stand there, and then what
# the page says about their result.
exchanges() {
  awk '/^```$/ { inside = 0 } inside; /^```sh exchange$/ { inside = 1 }' docs/production.md >"$work/exchange.sh"
  [[ $(grep -c . "$work/exchange.sh") -ge 20 ]] || { echo "docs/production.md has no commands for this"; return 1; }
  # shellcheck disable=SC2016 # the page's variables
  printf '%s\n' 'set -u; printf "%s\n" "$token" >"$1"; printf "%s\n" "$exchanged" >"$2"' \
    'curl -sS "$endpoint" --data-urlencode client_id=http://localhost:9000/mcp --data-urlencode "client_secret=$secret" \
      --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:token-exchange -d audience=stock -d scope=mcp:tools \
      --data-urlencode subject_token_type=urn:ietf:params:oauth:token-type:access_token --data-urlencode "subject_token=$token"' \
    >>"$work/exchange.sh"
  bash -eo pipefail "$work/exchange.sh" "$work/token" "$work/exchanged" >"$work/exchange" 2>&1 || { cat "$work/exchange"; return 1; }
  cat "$work/exchange"
  tr -d ' \n' <"$work/exchange" | grep -qF '"aud":"stock","azp":"http://localhost:9000/mcp","scope":"stock:read","sub":"6a1c3e5e-0b3d' ||
    { echo "the exchanged token is another"; return 1; }
  grep -q '"error":"invalid_scope"' "$work/exchange" || { echo "a scope that the client was not given is not refused"; return 1; }
  within 30 "the MCP server accepts the user's token" gets 200 "$(<"$work/token")" || return 1
  gets 401 "$(<"$work/exchanged")" || { echo "the MCP server accepts a token for stock"; return 1; }
}

start asking env -u KEYCLOAK_URL -u KEYCLOAK_REALM -u MCP_SERVER_URL JWT_ISSUER="$issuer" INTROSPECTION_KEEP=2s \
  INTROSPECTION_CLIENT_ID=echo-mcp-server INTROSPECTION_CLIENT_SECRET="${ECHO_MCP_SERVER_SECRET:-demo-secret-change-me}" \
  "$work/step10" -addr localhost:0 -url http://localhost:9000
part "asked about each token" refused_in_time

start step10 env -u KEYCLOAK_URL -u KEYCLOAK_REALM -u MCP_SERVER_URL JWT_ISSUER="$issuer" JWT_DIALECT=keycloak \
  "$work/step10" -addr localhost:0 -url http://localhost:9000
part "exchanges a token for another service" exchanges
part "killed under load, and back" killed_under_load
part "it kept its realm" "$work/step9" --provider keycloak --check

# The same Keycloak behind the proxy, which is the only issuer then.
proxy=localhost:$(free_port)
"$work/step9" --provider keycloak --proxy "$proxy" >"$work/proxy.out" 2>"$work/proxy.log" &
servers+=("$!")
until grep -q '^listening on ' "$work/proxy.log"; do
  kill -0 "${servers[-1]}" 2>/dev/null || die "the proxy ended instead of starting: $(tail -n 3 "$work/proxy.log")"
  sleep 0.1
done
part "registration through the proxy" bash scripts/dcr_example.sh --issuer "http://$proxy/realms/mcp-realm"
part "MCP Inspector through the proxy" bash interop/login.sh --issuer "http://$proxy/realms/mcp-realm"
kill "${servers[-1]}"
wait "${servers[-1]}" || true
part "what the proxy answers" env PROXIED_KEYCLOAK="$KEYCLOAK_URL" go test -count=1 -v -run '^TestKeycloakBehindTheProxy$' ./internal/authserver/realmproxy

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
