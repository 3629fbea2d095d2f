#!/usr/bin/env bash
# Step 7 as a lesson: a client that is refused learns where to go. See --help.
set -euo pipefail
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lesson 7 'metadata, so that clients find their way' 'step6 step7 gentoken' "$@" <<'TEXT'
A client that knows only the URL of the server now finds out how to get a token.
The 401 points to a document about the server (RFC 9728). That document names the
issuer, and the issuer has a document of its own (RFC 8414). Clients in a browser
can read all of it (CORS), and no request can change it.
TEXT

serve BEFORE 6 -keys "$keys"
serve NOW 7 -keys "$keys"

call='{"name":"echo","arguments":{"message":"hi"}}'
page=http://localhost:5173

scene 'A refusal that helps' <<'TEXT'
A client without a token is refused, as before.
TEXT
say 'Before, at step 6, that is all it learns:'
legacy "$BEFORE/mcp" tools/call "$call"
expect_status 401
expect_header WWW-Authenticate 'Bearer realm="mcp"'
say 'Now, at step 7, it learns where to read on, and the least scope to ask for:'
legacy "$NOW/mcp" tools/call "$call"
expect_status 401
pointer="scope=\"mcp:read\", resource_metadata=\"$NOW/.well-known/oauth-protected-resource/mcp\""
in_words="the challenge asks for mcp:read, and points to $NOW/.well-known/…"
expect_header WWW-Authenticate "Bearer realm=\"mcp\", $pointer" "$in_words"
found=$(header_values WWW-Authenticate | sed 's/.*resource_metadata="\([^"]*\)".*/\1/')
say 'The same as of 2026-07-28:'
modern "$NOW/mcp" tools/call "$call"
expect_status 401
expect_header WWW-Authenticate "Bearer realm=\"mcp\", $pointer" "$in_words"

scene 'What the server says about itself' <<'TEXT'
The client reads the document at that URL, without a token. It goes on only if
"resource" is exactly the URL that it called. Otherwise another server could collect
tokens that are meant for this one.
TEXT
request "$found"
expect_status 200
expect_json .resource "\"$NOW/mcp\""
expect_json .authorization_servers "[\"$NOW\"]"
expect_json .scopes_supported '["mcp:read"]'
expect_json .bearer_methods_supported '["header"]'
document=$(cat "$work/body")
issuer=$(jq -r '.authorization_servers[0]' "$work/body")
say 'Some clients look only below the root. They find the same:'
show=.resource request "$NOW/.well-known/oauth-protected-resource"
expect_status 200
expect 'both documents are the same, byte by byte' "$document" "$(cat "$work/body")"
say 'Before, at step 6:'
request "$BEFORE/.well-known/oauth-protected-resource/mcp"
expect_status 404

scene 'What the issuer says about itself' <<'TEXT'
Next, the client reads the issuer's document. It names the keys, and no endpoint for
tokens, because there is none before step 9. A real client stops here and says so.
Until then, tokens come from gentoken.
TEXT
request "$issuer/.well-known/oauth-authorization-server"
expect_status 200
expect_json .issuer "\"$issuer\"" "the issuer is the one that was asked for: $issuer"
expect_json '[has("authorization_endpoint", "token_endpoint", "registration_endpoint")] | any' false \
  'it promises no endpoint that is not there'
expect_json '[.scopes_supported[]] | index("offline_access")' null 'offline_access is not offered'
key_set=$(jq -r .jwks_uri "$work/body")
say 'The keys are where it says:'
show='.keys[].kid' request "$key_set"
expect_status 200
expect_json '.keys | length' 1

scene 'Forged headers' <<'TEXT'
Many servers build these URLs from headers of the request. An attacker who sends
"evil.com" there, perhaps into a cache, leads clients to evil.com. Here all URLs
come from the configuration.
TEXT
forged=(-H 'X-Forwarded-Host: evil.com' -H 'X-Forwarded-Proto: https' -H 'Forwarded: host=evil.com')
show='{resource, authorization_servers}' request "$found" "${forged[@]}"
expect_status 200
expect 'the document is as before, byte by byte' "$document" "$(cat "$work/body")"
say 'The challenge:'
legacy "$NOW/mcp" ping '' "${forged[@]}"
expect_header WWW-Authenticate "Bearer realm=\"mcp\", $pointer" "$in_words"
say 'The Host itself:'
request "$found" -H 'Host: evil.com'
expect_status 403
expect_json .error '"host_not_allowed"'

scene 'A server behind a proxy' <<'TEXT'
-url is the URL by which clients know the server. Every URL that the server states
begins with it, whatever port it listens on.
TEXT
serve PROXIED 7 -keys "$keys" -url https://mcp.example.com
request "$PROXIED/.well-known/oauth-protected-resource/mcp"
expect_json .resource '"https://mcp.example.com/mcp"'
expect_json .authorization_servers '["https://mcp.example.com"]'
show='{issuer, jwks_uri}' request "$PROXIED/.well-known/oauth-authorization-server"
expect_json .issuer '"https://mcp.example.com"'
expect_json .jwks_uri '"https://mcp.example.com/.well-known/jwks.json"'

scene 'A client in a browser asks first (preflight)' <<'TEXT'
Before a page may send a token, its browser asks the server with OPTIONS.
TEXT
preflight=(-X OPTIONS -H "Origin: $page" -H 'Access-Control-Request-Method: POST'
  -H 'Access-Control-Request-Headers: authorization,content-type,mcp-protocol-version,x-other')
say 'Before, at step 6, no page can call:'
request "$BEFORE/mcp" "${preflight[@]}"
expect_status 405
expect_no_header Access-Control-Allow-Origin
say 'Now, at step 7: what MCP needs may be sent, and other headers may not.'
request "$NOW/mcp" "${preflight[@]}"
expect_status 204
expect_header Access-Control-Allow-Origin "$page"
expect_header Access-Control-Allow-Methods POST
expect_header Access-Control-Allow-Headers 'authorization, content-type, mcp-protocol-version'
say 'A foreign page:'
request "$NOW/mcp" -X OPTIONS -H 'Origin: http://evil.com' -H 'Access-Control-Request-Method: POST'
expect_status 403
expect_no_header Access-Control-Allow-Origin

scene 'And reads the refusal' <<'TEXT'
By default a page can't read WWW-Authenticate, and without it can't go on. So the
server exposes that header, to allowed pages only. The documents below /.well-known/
are for all pages.
TEXT
legacy "$NOW/mcp" tools/call "$call" -H "Origin: $page"
expect_status 401
expect_header Access-Control-Allow-Origin "$page"
expect_header Access-Control-Expose-Headers 'WWW-Authenticate, Retry-After, Mcp-Session-Id'
say 'A document, for a foreign page:'
show=.resource request "$found" -H 'Origin: http://evil.com'
expect_status 200
expect_header Access-Control-Allow-Origin '*'

scene 'With a token' <<'TEXT'
A good token works as before. A wrong one is refused as before, and the refusal
now shows the way to a good one.
TEXT
mint ALICE "$NOW" --username alice
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $ALICE"
expect_status 200
expect_json .result.structuredContent.text '"hi"'
mint EXPIRED "$NOW" --username alice --flaw expired
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $EXPIRED"
expect_status 401
expect_header WWW-Authenticate \
  "Bearer realm=\"mcp\", error=\"invalid_token\", error_description=\"$(jq -r .error.message "$work/body")\", $pointer" \
  'the challenge says invalid_token, and the same besides'

scene 'The server says where it says so' <<'TEXT'
/health and the answer to initialize name the documents.
TEXT
request "$NOW/health"
expect_json .protected_resource_metadata "\"$found\""
expect_json .authorization_server_metadata "\"$NOW/.well-known/oauth-authorization-server\""
legacy "$NOW/mcp" initialize '{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}' \
  -H "Authorization: Bearer $ALICE"
expect_json .result._meta.oauth_metadata "\"$found\""
say 'The same as of 2026-07-28:'
show=.result._meta modern "$NOW/mcp" server/discover '' -H "Authorization: Bearer $ALICE"
expect_json .result._meta.oauth_metadata "\"$found\""

scene 'Any token opens every door' <<'TEXT'
This token was given out for reading (mcp:read), and calls a tool. The server
checks who calls, but not yet what they may do. That is step 8.
TEXT
mint READER "$NOW" --username alice --scopes mcp:read
legacy "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $READER"
expect_status 200
expect_json .result.structuredContent.text '"hi"'

scene 'What the log keeps' <<'TEXT'
We end the servers and search their logs for the tokens.
TEXT
printf '\n'
expect_no_token_in_logs

finish
