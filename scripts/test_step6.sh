#!/usr/bin/env bash
# Step 6 as a lesson: no call without a valid access token. See --help.
set -euo pipefail
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lesson 6 'access tokens' 'step5 step6 gentoken' "$@" <<'TEXT'
Every request to /mcp must now have an access token, as Authorization: Bearer. The
server checks who signed the token, that it is an access token, that it is for this
server and has not expired. Only then it reads the request. Without a token, or with
a wrong one, the answer is 401. The log has the reason, the caller does not.
TEXT

serve BEFORE 5 -keys "$keys"
serve NOW 6 -keys "$keys"

call='{"name":"echo","arguments":{"message":"hi"}}'

scene 'A call without a token' <<'TEXT'
One step earlier, this worked for everybody.
TEXT
say 'Before, at step 5:'
legacy "$BEFORE/mcp" tools/call "$call"
expect_status 200
expect_json .result.structuredContent.text '"hi"'
say 'Now, at step 6, the server asks for a token (RFC 6750). A missing token is not
an error yet, so the challenge has no error code:'
legacy "$NOW/mcp" tools/call "$call"
expect_status 401
expect_header WWW-Authenticate 'Bearer realm="mcp"'
expect_json .error.data.error '"missing_token"'
say 'The same as of 2026-07-28:'
modern "$NOW/mcp" tools/call "$call"
expect_status 401
expect_header WWW-Authenticate 'Bearer realm="mcp"'

scene 'A call by alice' <<'TEXT'
The token says who she is, and the key of step 5 proves it.
TEXT
mint ALICE "$NOW" --username alice
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $ALICE"
expect_status 200
expect_json .result.structuredContent.text '"hi"'
say 'As of 2026-07-28, and with a new tool that says what the server knows about her:'
show='.result.structuredContent' modern "$NOW/mcp" tools/call '{"name":"whoami","arguments":{}}' -H "Authorization: Bearer $ALICE"
expect_status 200
expect_json '.result.structuredContent | [.subject, .client_id]' '["alice","gentoken"]' 'she is alice, through the client gentoken'
expect_json .result.structuredContent.scopes '["mcp:read","mcp:tools"]'

scene 'An expired token' <<'TEXT'
gentoken can make tokens that are wrong in exactly one way. This one was good an
hour ago.
TEXT
mint EXPIRED "$NOW" --username alice --flaw expired
say 'Before, at step 5, nobody looks:'
legacy "$BEFORE/mcp" tools/call "$call" -H "Authorization: Bearer $EXPIRED"
expect_status 200
say 'Now, at step 6:'
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $EXPIRED"
expect_status 401
expect_header WWW-Authenticate \
  "Bearer realm=\"mcp\", error=\"invalid_token\", error_description=\"$(jq -r .error.message "$work/body")\"" \
  'the challenge says invalid_token, and the same sentence as the body'
expect_json .error.data.error '"invalid_token"'
same=$(cat "$work/body")
printf '\n  The log says why: %s\n\n' "$(last_refusal NOW)"
expect 'the log names the reason' yes "$(last_refusal NOW | grep -q '^expired, or without expiry' && echo yes)"

scene 'Other tokens that are wrong in one way' <<'TEXT'
All of them get the very same answer, so that a forger does not learn how far he
got. The log has the true reason. (gentoken --flaw list explains all flaws.)
TEXT
mint WRONG "$NOW" --username alice --flaw wrong-audience
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $WRONG"
expect_status 401
expect 'the answer is the same, byte by byte' "$same" "$(cat "$work/body")"
say 'This one and more, by flaw, with the reason in the log:'
printf '\n'
while IFS='|' read -r flaw reason; do
  sign WRONG "$NOW" --username alice --flaw "$flaw"
  ask "$NOW/mcp" -H "Authorization: Bearer $WRONG" -d "$call"
  logged=$(last_refusal NOW)
  expect "$(printf '%-17s 401, the same answer; in the log: %s' "$flaw" "$reason")" \
    "401 $same$reason" "$status $(cat "$work/body")${logged:0:${#reason}}"
done <<'FLAWS'
wrong-audience|wrong audience
audience-slash|wrong audience
wrong-issuer|wrong issuer
alg-none|algorithm not allowed
hs256-public-key|algorithm not allowed
tampered|bad signature
embedded-key|bad signature
unknown-key|no key for the token
kid-path|no key for the token
crit|malformed token
id-token|not an access token
not-yet-valid|not valid yet
no-expiry|expired, or without expiry
for-decades|valid for too long
no-subject|required claim missing
FLAWS

scene 'How a token is sent' <<'TEXT'
There is one way: one Authorization header, the word Bearer (in any case), one
blank, the token.
TEXT
legacy "$NOW/mcp" ping '' -H "Authorization: bearer $ALICE"
expect_status 200
say 'Two tokens: which one counts? None does.'
legacy "$NOW/mcp" ping '' -H "Authorization: Bearer $EXPIRED" -H "Authorization: Bearer $ALICE"
expect_status 400
expect_json .error.data.error '"invalid_request"'
say 'Something behind the token:'
legacy "$NOW/mcp" ping '' -H "Authorization: Bearer $ALICE nonsense"
expect_status 401
expect_json .error.data.error '"invalid_token"'
say 'Another scheme counts as no token:'
legacy "$NOW/mcp" ping '' -H 'Authorization: Basic YWxpY2U6c2VjcmV0'
expect_status 401
expect_json .error.data.error '"missing_token"'
say 'The server ignores a token in the URL, where logs and histories would keep it:'
legacy "$NOW/mcp?access_token=$ALICE" ping ''
expect_status 401
expect_json .error.data.error '"missing_token"'

scene 'Around the guard' <<'TEXT'
Other spellings of /mcp, without a token. None of them may reach the endpoint
without the check.
TEXT
for path in //mcp /x/../mcp; do
  request "$NOW$path" --path-as-is -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"ping"}'
  expect_status 307
  expect_header Location /mcp
done
for path in /%6dcp '/mcp?'; do
  ask "$NOW$path" -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"ping"}'
  expect "$path is /mcp, and asks for a token: 401" 401 "$status"
done
for path in /mcp/ /MCP '/mcp;x'; do
  ask "$NOW$path" -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"ping"}'
  expect "$path is nothing here: 404" 404 "$status"
done

scene 'What comes first' <<'TEXT'
The server checks the Origin before the token, so it refuses a foreign page with a
good token, too. It also checks the HTTP method first. The body comes last: without
a token, the server does not read it.
TEXT
legacy "$NOW/mcp" ping '' -H 'Origin: http://evil.com' -H "Authorization: Bearer $ALICE"
expect_status 403
expect_json .error '"origin_not_allowed"'
say 'Another method, without a token:'
request "$NOW/mcp" -X GET
expect_status 405
expect_header Allow POST
say 'A body that is not JSON, without a token and with one:'
post "$NOW/mcp" nonsense
expect_status 401
post "$NOW/mcp" nonsense -H "Authorization: Bearer $ALICE"
expect_status 400
expect_json .error.code -32700

scene 'The server says what it knows' <<'TEXT'
/health says that a token is needed; it needs none itself. The answer to
initialize greets the user by name.
TEXT
request "$NOW/health"
expect_status 200
expect_json .auth_required true
legacy "$NOW/mcp" initialize '{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}' \
  -H "Authorization: Bearer $ALICE"
expect_json .result._meta.authenticatedUser '"alice"'
say 'The same as of 2026-07-28:'
show=.result._meta modern "$NOW/mcp" server/discover '' -H "Authorization: Bearer $ALICE"
expect_json .result._meta.authenticatedUser '"alice"'

scene 'What the log keeps' <<'TEXT'
Reasons, and no tokens: neither the good ones nor the refused ones, nor the one in
a URL.
TEXT
printf '\n'
expect_no_token_in_logs

finish
