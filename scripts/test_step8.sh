#!/usr/bin/env bash
# Step 8 as a lesson: scopes bound the client, roles the user. See --help.
set -euo pipefail
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lesson 8 'scopes and roles' 'step7 step8 gentoken' "$@" <<'TEXT'
The server now asks what the caller may do. Scopes say what the client was granted,
roles what its user may do; a call needs both. If a scope is missing, the refusal
names it, and the client can ask the user for it. If a role is missing, the refusal
is final. Administrators can read every decision.
TEXT

serve NOW 8 -keys "$keys"
# One token is good for both, because both state the same URL.
serve BEFORE 7 -keys "$keys" -url "$NOW"

call='{"name":"echo","arguments":{"message":"hi"}}'
audit='{"name":"audit","arguments":{}}'
hello='{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}'
metadata="resource_metadata=\"$NOW/.well-known/oauth-protected-resource/mcp\""

# expect_more_scope SCOPES: refused, and told which scopes would do.
expect_more_scope() {
  expect_status 403
  expect_json .error.data.error '"insufficient_scope"'
  expect_header WWW-Authenticate \
    "Bearer realm=\"mcp\", error=\"insufficient_scope\", error_description=\"$(jq -r .error.message "$work/body")\", scope=\"$1\", $metadata" \
    "the challenge says insufficient_scope, asks for $1, and points to the metadata"
}

# expect_denied: refused for good.
expect_denied() {
  expect_status 403
  expect_json .error.data.error '"access_denied"'
  expect_no_header WWW-Authenticate
}

scene 'Granted for reading, used for calling' <<'TEXT'
alice let a client read what there is: its token has the scope mcp:read. The
client calls a tool with it.
TEXT
mint READER "$NOW" --username alice --scopes mcp:read
say 'Before, at step 7, any valid token will do:'
legacy "$BEFORE/mcp" tools/call "$call" -H "Authorization: Bearer $READER"
expect_status 200
expect_json .result.structuredContent.text '"hi"'
say 'Now, at step 8, with the same token:'
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $READER"
expect_more_scope 'mcp:tools mcp:read'
say 'As of 2026-07-28, a client adds what it has by itself, so the challenge names the
operation'"'"'s scope alone:'
modern "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $READER"
expect_more_scope mcp:tools

scene 'One step up' <<'TEXT'
The refusal names all that this one operation needs. Up to 2025-11-25 it also names
what the token has, because clients of that revision replace one by the other. The
client asks the user and comes back with a new token.
TEXT
mint CALLER "$NOW" --username alice --scopes mcp:read,mcp:tools
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $CALLER"
expect_status 200
expect_json .result.structuredContent.text '"hi"'

scene 'What each scope opens' <<'TEXT'
initialize needs a valid token and no scope. Reading the lists needs
mcp:read; whoever may call tools or get prompts may read their list, too.
TEXT
mint NOTHING "$NOW" --username alice --scopes ''
legacy "$NOW/mcp" initialize "$hello" -H "Authorization: Bearer $NOTHING"
expect_status 200
legacy "$NOW/mcp" tools/list '' -H "Authorization: Bearer $NOTHING"
expect_more_scope mcp:read
sign ONLYTOOLS "$NOW" --username alice --scopes mcp:tools
sign ONLYPROMPTS "$NOW" --username bob --scopes mcp:prompts
say 'The whole table, status by scope of the token:'
printf '\n'
while IFS='|' read -r method params none read tools prompts; do
  body="{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$method\"${params:+,\"params\":$params}}"
  got=''
  for token in "$NOTHING" "$READER" "$ONLYTOOLS" "$ONLYPROMPTS"; do
    ask "$NOW/mcp" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d "$body"
    got+="$status "
  done
  expect "$(printf '%-12s  no scope: %s  mcp:read: %s  mcp:tools: %s  mcp:prompts: %s' \
    "$method" "$none" "$read" "$tools" "$prompts")" "$none $read $tools $prompts " "$got"
done <<TABLE
initialize|$hello|200|200|200|200
ping||200|200|200|200
tools/list||403|200|200|403
tools/call|$call|403|403|200|403
prompts/list||403|200|403|200
prompts/get|{"name":"help"}|403|200|403|200
TABLE

scene 'Scopes that look alike' <<'TEXT'
A scope is a word, compared exactly: not its beginning, not its end, not another
case. And it stands in a text with blanks between, not in a list.
TEXT
mint ALIKE "$NOW" --username alice --scopes mcp:toolsX,not-mcp:tools,MCP:TOOLS
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $ALIKE"
expect_more_scope mcp:tools
mint LIST "$NOW" --username alice --flaw scope-array
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $LIST"
expect_status 401
expect_json .error.data.error '"invalid_token"'

scene 'A guest with every scope' <<'TEXT'
The client was granted everything, but its user is a guest. Guests may read the
lists and call nothing. No new token changes that, so there is no challenge.
TEXT
mint GUEST "$NOW" --username guest --scopes mcp:read,mcp:tools,mcp:prompts
show='[.result.tools[].name]' legacy "$NOW/mcp" tools/list '' -H "Authorization: Bearer $GUEST"
expect_status 200
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $GUEST"
expect_denied
say 'The same as of 2026-07-28:'
modern "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $GUEST"
expect_denied

scene 'A tool for administrators' <<'TEXT'
audit reads the decisions of this server. Only administrators see it in the list.
TEXT
mint ADMIN "$NOW" --username admin
show='[.result.tools[].name]' legacy "$NOW/mcp" tools/list '' -H "Authorization: Bearer $ADMIN"
expect_json '[.result.tools[].name]' '["audit","echo","get_time","whoami"]'
say 'alice asks:'
show='[.result.tools[].name]' legacy "$NOW/mcp" tools/list '' -H "Authorization: Bearer $CALLER"
expect_json '[.result.tools[].name]' '["echo","get_time","whoami"]'

scene 'Hidden is not protected' <<'TEXT'
alice has read about audit, and calls it. Leaving a tool out of a list keeps
nobody from calling it: the check at the call does.
TEXT
legacy "$NOW/mcp" tools/call "$audit" -H "Authorization: Bearer $CALLER"
expect_denied
say 'The same as of 2026-07-28:'
modern "$NOW/mcp" tools/call "$audit" -H "Authorization: Bearer $CALLER"
expect_denied

scene 'A user whose name is admin' <<'TEXT'
A user may choose any name. The server decides by the roles in the token, which the
issuer signed. Writing another role into it breaks the signature.
TEXT
mint NOADMIN "$NOW" --username admin --role user
legacy "$NOW/mcp" tools/call "$audit" -H "Authorization: Bearer $NOADMIN"
expect_denied
mint TAMPERED "$NOW" --username alice --flaw tampered
legacy "$NOW/mcp" tools/call "$audit" -H "Authorization: Bearer $TAMPERED"
expect_status 401
expect_json .error.data.error '"invalid_token"'

scene 'Who did what' <<'TEXT'
The administrator reads the log: who, through which client, wanted what; allowed
or not, and why. (We show the last three.)
TEXT
show='.result.structuredContent.decisions[-3:][] | [.subject, .client_id, .operation, .name, .allowed, .reason] | join("  ")' \
  legacy "$NOW/mcp" tools/call "$audit" -H "Authorization: Bearer $ADMIN"
expect_status 200
decisions=.result.structuredContent.decisions
expect_json "${decisions}[0] | [.subject, .operation, .name, .allowed]" '["alice","tools/call","echo",false]' \
  'the first decision was to refuse alice a call of echo'
expect_json "${decisions}[0].reason" '"the client lacks the scope mcp:tools"'
expect_json "${decisions}[-2] | [.subject, .name, .allowed]" '["admin","audit",false]' \
  'the last but one was to refuse audit to a user who is only called admin'
expect_json "[${decisions}[] | keys[]] | unique" '["allowed","client_id","name","operation","reason","subject","time"]' \
  'a decision holds no token and no arguments'

scene 'The server says what you may do' <<'TEXT'
/health and the answer to initialize say it.
TEXT
request "$NOW/health"
expect_json .scope_based_auth true
show=.result._meta legacy "$NOW/mcp" initialize "$hello" -H "Authorization: Bearer $READER"
expect_json .result._meta.userScopes '["mcp:read"]'
expect_json .result._meta.userRoles '["user"]'
say 'The same as of 2026-07-28:'
show=.result._meta modern "$NOW/mcp" server/discover '' -H "Authorization: Bearer $ADMIN"
expect_json .result._meta.userRoles '["user","admin"]'

scene 'What the log keeps' <<'TEXT'
We end the servers and search their logs for the tokens.
TEXT
printf '\n'
expect_no_token_in_logs

finish
