#!/usr/bin/env bash
# Step 10 as a lesson: the server trusts an identity provider. See --help.
set -euo pipefail
takes_provider=yes
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lesson 10 'an identity provider' 'step8 step9 step10 gentoken' "$@" <<'TEXT'
The server no longer trusts a key of its own. An identity provider issues the tokens
now: the embedded one of step 9, or a Keycloak. The server finds the provider's
keys by itself, refreshes them, and keeps them while the provider is down.
TEXT

# What the provider's tokens are meant for, wherever the servers really listen.
site=http://localhost:9000
call='{"name":"echo","arguments":{"message":"hi"}}'
hello='{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}'

if [[ $provider == keycloak ]]; then
  base=${KEYCLOAK_URL:-http://localhost:8080} base=${base%/}
else
  port=$(free_port)
  base=http://localhost:$port
fi
issuer=$base/realms/mcp-realm
unset "${!JWT_@}" "${!INTROSPECTION_@}" MCP_SERVER_URL MCP_CHALLENGE_SCOPES JWKS_MIN_INTERVAL KEYCLOAK_URL KEYCLOAK_REALM
printf 'KEYCLOAK_URL=%s\nKEYCLOAK_REALM=mcp-realm\nMCP_SERVER_URL=%s\nJWKS_MIN_INTERVAL=1s\n' "$base" "$site" >"$work/provider.env"
remember ENV_FILE "$work/provider.env"
remember ISSUER "$issuer"

# until_status WANT URL [OPTION…] asks until the status is as wanted.
until_status() {
  local deadline=$((SECONDS + 180))
  while ask "${@:2}" && [[ $status != "$1" ]] && ((SECONDS < deadline)); do sleep 0.1; done
}

expect_refused() {
  expect_status 401
  expect_json .error.data.error '"invalid_token"'
}

printf '\n%s holds:\n\n' "\$ENV_FILE"
sed 's/^/  /' "$work/provider.env"

if [[ $provider == embedded ]]; then
  scene 'First the server, then its provider' <<'TEXT'
The server starts before the provider, and says that it isn't ready. Without keys it
can neither accept nor reject a token, so it answers 503, not 401.
TEXT
  serve NOW 10 -addr localhost:0 -env "$work/provider.env"
  request "$NOW/health"
  expect_status 503
  expect_json .status '"degraded"'
  expect_json .jwks_available false
  legacy "$NOW/mcp" tools/call "$call"
  expect_status 503
  expect_header Retry-After 5
  expect_no_header WWW-Authenticate
  say 'Then the provider starts, and within seconds the server has its keys:'
  serve PROVIDER 9 -addr "localhost:$port" -keys "$work/first"
  until_status 200 "$NOW/health"
  request "$NOW/health"
  expect_status 200
  expect_json .status '"healthy"'
else
  curl -q -sf --noproxy '*' --max-time 10 -o "$work/body" "$issuer/.well-known/openid-configuration" ||
    fail "no Keycloak with the realm mcp-realm answers at $base" 'start one with: go run ./cmd/step9 --provider keycloak'
  serve NOW 10 -addr localhost:0 -env "$work/provider.env"
fi
serve BEFORE 8 -keys "$keys" -url "$site"

scene 'A token from the provider' <<'TEXT'
A user logs in. (The password grant is for trying things out with curl; OAuth 2.1
has none, and real clients send the user to the login page of step 9.)
TEXT
log_in USER "$issuer" mcp-user user123 'openid mcp:read mcp:tools mcp:prompts'
say 'Before, at step 8, a token of another issuer is refused:'
legacy "$BEFORE/mcp" tools/call "$call" -H "Authorization: Bearer $USER_ACCESS"
expect_refused
say 'Now, at step 10, with the same token:'
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $USER_ACCESS"
expect_status 200
expect_json .result.structuredContent.text '"hi"'
say 'The same as of 2026-07-28:'
modern "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $USER_ACCESS"
expect_status 200

scene 'The server knows the user' <<'TEXT'
whoami says what the provider's token says, and greeting greets by name.
TEXT
show=.result.structuredContent legacy "$NOW/mcp" tools/call '{"name":"whoami","arguments":{}}' -H "Authorization: Bearer $USER_ACCESS"
expect_json .result.structuredContent.username '"mcp-user"'
expect_json .result.structuredContent.client_id '"mcp-test-client"'
expect_json .result.structuredContent.issuer "\"$issuer\"" 'the issuer is the provider'
show='.result.messages[0].content.text' legacy "$NOW/mcp" prompts/get '{"name":"greeting"}' -H "Authorization: Bearer $USER_ACCESS"
expect_json '.result.messages[0].content.text | contains("greet mcp-user")' true

scene 'The server signs nothing' <<'TEXT'
Its own key is of no use any more: step 8 accepts a token of gentoken, step 10 does
not. It publishes no key and no document of an authorization server. A refused client
learns who issues tokens instead.
TEXT
mint OWN "$site" --username alice
say 'At step 8:'
legacy "$BEFORE/mcp" tools/call "$call" -H "Authorization: Bearer $OWN"
expect_status 200
say 'At step 10:'
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $OWN"
expect_refused
request "$NOW/.well-known/jwks.json"
expect_status 404
request "$NOW/.well-known/oauth-authorization-server"
expect_status 404
request "$NOW/.well-known/oauth-protected-resource/mcp"
expect_json .resource "\"$site/mcp\""
expect_json .authorization_servers "[\"$issuer\"]" 'the authorization server is the provider'
say "And the provider's own document names the same issuer, to the letter:"
show='{issuer, jwks_uri, token_endpoint}' request "$base/.well-known/oauth-authorization-server/realms/mcp-realm"
expect_status 200
expect_json .issuer "\"$issuer\"" 'it does'

scene 'Rights by user' <<'TEXT'
mcp-readonly asks for everything, too. The provider grants what this user may have,
and the server asks for the scope that is missing.
TEXT
log_in READONLY "$issuer" mcp-readonly readonly123 'mcp:read mcp:tools mcp:prompts'
show='[.result.tools[].name]' legacy "$NOW/mcp" tools/list '' -H "Authorization: Bearer $READONLY_ACCESS"
expect_status 200
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $READONLY_ACCESS"
expect_status 403
expect_json .error.data.error '"insufficient_scope"'
say 'mcp-admin has every scope. The tool audit also needs the role admin, and nobody has it by default:'
log_in ADMIN "$issuer" mcp-admin admin123 'mcp:read mcp:tools mcp:prompts'
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $ADMIN_ACCESS"
expect_status 200
legacy "$NOW/mcp" tools/call '{"name":"audit","arguments":{}}' -H "Authorization: Bearer $ADMIN_ACCESS"
expect_status 403
expect_json .error.data.error '"access_denied"'
show=.result._meta legacy "$NOW/mcp" initialize "$hello" -H "Authorization: Bearer $ADMIN_ACCESS"
expect_json .result._meta.authenticatedUser '"mcp-admin"'

scene 'Tokens for something else' <<'TEXT'
Beside the access token the provider gave two more. The ID token tells the client who
logged in; the refresh token is for the provider alone. Both come from the right
issuer, and this server accepts neither.
TEXT
for kind in ID REFRESH; do
  name=USER_$kind
  expect "there is a token $name" yes "$([[ ${!name} ]] && echo yes)"
  legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer ${!name}"
  expect_refused
  [[ $kind != ID ]] || expect 'the log says that it is not an access token' yes \
    "$(last_refusal NOW | grep -q '^not an access token' && echo yes)"
done

if [[ $provider == embedded ]]; then
  scene 'The provider dies' <<'TEXT'
It is killed (kill -9). A client with a token goes on working, since the server has
the keys. A token with an unknown key may have a key that is newer than those, and
nobody can ask: 503 says that the client should keep the token and try again.
TEXT
  crash PROVIDER
  legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $USER_ACCESS"
  expect_status 200
  mint UNKNOWN "$site" --username admin
  legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $UNKNOWN"
  expect_status 503
  expect_json .error.data.error '"temporarily_unavailable"'
  request "$NOW/health"
  expect_status 200

  scene 'It comes back with another key' <<'TEXT'
The first token with the new key makes the server fetch the keys. Tokens of the key
that is gone are refused from then on.
TEXT
  serve RETURNED 9 -addr "localhost:$port" -keys "$work/second"
  log_in NEWCOMER "$issuer" mcp-user user123 'mcp:read mcp:tools'
  until_status 200 "$NOW/mcp" -H "Authorization: Bearer $NEWCOMER_ACCESS" -H 'Content-Type: application/json' \
    -d '{"jsonrpc":"2.0","id":1,"method":"ping"}'
  legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $NEWCOMER_ACCESS"
  expect_status 200
  legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $USER_ACCESS"
  expect_refused

  scene 'The same key, another issuer' <<'TEXT'
Now the provider is behind a proxy, and its issuer is the proxy's URL. It signs with
the same key as before. A token names its issuer, and each server accepts exactly one:
the token of the one is refused by the other.
TEXT
  port=$(free_port)
  proxy=http://localhost:$port
  sed "s|^KEYCLOAK_URL=.*|KEYCLOAK_URL=$proxy|" "$work/provider.env" >"$work/proxy.env"
  remember PROXY_FILE "$work/proxy.env"
  remember PROXY_ISSUER "$proxy/realms/mcp-realm"
  serve PROXIED 9 -addr localhost:0 -proxy "localhost:$port" -keys "$work/second"
  serve BEHIND 10 -addr localhost:0 -env "$work/proxy.env"
  log_in PROXY "$proxy/realms/mcp-realm" mcp-user user123 'mcp:read mcp:tools'
  say 'At the server that trusts the proxy, the token of the proxy, then that of the provider itself:'
  legacy "$BEHIND/mcp" tools/call "$call" -H "Authorization: Bearer $PROXY_ACCESS"
  expect_status 200
  legacy "$BEHIND/mcp" tools/call "$call" -H "Authorization: Bearer $NEWCOMER_ACCESS"
  expect_refused
  say 'And at the server that trusts the provider itself:'
  legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $PROXY_ACCESS"
  expect_refused
  expect 'because of the issuer, says the log' yes "$(last_refusal NOW | grep -q '^wrong issuer' && echo yes)"
fi

scene 'Settings that are wrong' <<'TEXT'
A server that guesses whom to trust is worse than none. What is malformed ends the
start, and so does a file that was named and isn't there.
TEXT
serve_in_vain 10 -addr localhost:0 -env no-such-file.env
expect 'it ends with status 1' 1 "$ended"
expect 'it says which file' yes "$(grep -q 'no-such-file.env: file not found' <<<"$said" && echo yes)"
printf 'JWT_ALGORITHMS=HS256\n' >"$work/wrong.env"
remember WRONG_FILE "$work/wrong.env"
serve_in_vain 10 -addr localhost:0 -env "$work/wrong.env"
expect 'it ends with status 1' 1 "$ended"
expect 'it says which variable, and what to do' yes \
  "$(grep -q 'JWT_ALGORITHMS: "HS256" is not one of RS256, PS256, ES256, EdDSA' <<<"$said" && echo yes)"

scene 'What the logs keep' <<'TEXT'
We end the servers and search their logs for the tokens.
TEXT
printf '\n'
expect_no_token_in_logs

finish
