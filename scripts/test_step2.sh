#!/usr/bin/env bash
# Step 2 as a lesson: an MCP endpoint that reads one message, strictly. See
# --help.
set -euo pipefail
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lesson 2 'the MCP endpoint' 'step1 step2' "$@" <<'TEXT'
The server now speaks MCP at POST /mcp: one JSON-RPC message a request, and each
request by itself, so that one curl is enough. Clients of both eras are answered:
those that begin with initialize (up to 2025-11-25), and those whose every
request says its version (2026-07-28). What could be read in two ways is refused.
TEXT

serve BEFORE 1
serve NOW 2

hello='{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}'

scene 'Hello, up to 2025-11-25' <<'TEXT'
A client introduces itself and names the protocol version that it speaks.
TEXT
say 'Before, at step 1, there is nobody to talk to:'
legacy "$BEFORE/mcp" initialize "$hello"
expect_status 404
say 'Now, at step 2:'
legacy "$NOW/mcp" initialize "$hello"
expect_status 200
expect_json .result.protocolVersion '"2025-11-25"'
expect_json .result.serverInfo.name '"mcp-auth-step-by-step"'
say 'A version that is too old for this server is answered with one that it speaks:'
legacy "$NOW/mcp" initialize "${hello/2025-11-25/2024-11-05}"
expect_status 200
expect_json .result.protocolVersion '"2025-11-25"'

scene 'Hello, from 2026-07-28 on' <<'TEXT'
There is no introduction any more. Each request says its version, in a header
and in _meta, and a client may ask what the server can do.
TEXT
modern "$NOW/mcp" server/discover ''
expect_status 200
expect_json .result.supportedVersions '["2026-07-28","2025-11-25","2025-06-18"]'
expect_json .result.resultType '"complete"'

scene 'Are you there?' <<'TEXT'
ping is part of the older versions. 2026-07-28 has none, so there it is a method
that doesn't exist, and the HTTP status may say so.
TEXT
legacy "$NOW/mcp" ping ''
expect_status 200
expect_json .result '{}'
say 'The same as of 2026-07-28:'
modern "$NOW/mcp" ping ''
expect_status 404
expect_json .error.code -32601

scene 'Notifications' <<'TEXT'
A message without an id gets no answer. The server accepts it and does nothing.
One of them would do something: notifications/cancelled could end the call of
somebody else, since nothing here tells callers apart.
TEXT
post "$NOW/mcp" '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}'
expect_status 202
expect_no_body

scene 'A message that can be read in two ways' <<'TEXT'
A member stands twice, or once more in upper case. One reader takes the first,
another the last, and Go's own takes METHOD for method. If the check reads ping and
the server runs tools/call, the check protects nothing. So the message is refused.
TEXT
post "$NOW/mcp" '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}'
expect_status 400
expect_json .error.code -32600
say 'In another case:'
post "$NOW/mcp" '{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/call"}'
expect_status 400
expect_json .error.code -32600

scene 'Headers that say something else than the body' <<'TEXT'
As of 2026-07-28 a proxy can decide by the headers, without reading the body. A
request that shows the proxy one method and the server another is refused.
TEXT
modern_body server/discover '{}'
post "$NOW/mcp" "$body" -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: ping'
expect_status 400
expect_json .error.code -32020
say 'Also when the header is missing:'
post "$NOW/mcp" "$body" -H 'MCP-Protocol-Version: 2026-07-28'
expect_status 400
expect_json .error.code -32020
say 'An unknown version is refused too, and the answer lists the known ones:'
post "$NOW/mcp" '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' -H 'MCP-Protocol-Version: 1999-01-01'
expect_status 400
expect_json .error.code -32022
expect_json '.error.data.supported[0]' '"2026-07-28"'

scene 'Several messages in one body' <<'TEXT'
MCP has no batches. A check that reads one message must not get two.
TEXT
post "$NOW/mcp" '[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]'
expect_status 400
expect_json .error.code -32600

scene 'Methods that this server does not offer' <<'TEXT'
The library mcp-go knows more methods than this server wants to offer, such as
subscriptions/listen, which would hold a connection open. Only the methods in a
table of operations get through.
TEXT
legacy "$NOW/mcp" subscriptions/listen ''
expect_status 200
expect_json .error.code -32601
say 'The same as of 2026-07-28:'
modern "$NOW/mcp" subscriptions/listen ''
expect_status 404
expect_json .error.code -32601

scene 'A form on a foreign page' <<'TEXT'
Without asking first, pages may send text and forms to any site, but no JSON. A
server that takes JSON under the name of text gives that protection away.
TEXT
request "$NOW/mcp" -H 'Content-Type: text/plain' -d '{"jsonrpc":"2.0","id":1,"method":"ping"}'
expect_status 415
expect_json .error.code -32600
say 'The check of step 1 protects this endpoint, too:'
legacy "$NOW/mcp" ping '' -H 'Origin: http://evil.com'
expect_status 403
expect_json .error '"origin_not_allowed"'

scene 'Too large, too deep' <<'TEXT'
A body may have 1 MiB, and JSON may nest only so deep: neither may cost the
server its memory.
TEXT
printf '\n  %s\n' "${bold}head -c 1048577 /dev/zero >$work/large$plain"
head -c 1048577 /dev/zero >"$work/large"
request "$NOW/mcp" -H 'Content-Type: application/json' --data-binary "@$work/large"
expect_status 413
expect_json .error.code -32600
DEEP=$(printf '%010001d' 0 | tr 0 '[')
remember DEEP "$DEEP"
printf '\n  %s\n' "${bold}DEEP=\$(printf '%010001d' 0 | tr 0 '[')$plain   # 10,001 brackets"
post "$NOW/mcp" "$DEEP"
expect_status 400
expect_json .error.code -32700

scene 'Other HTTP methods' <<'TEXT'
Clients of 2025 may ask for a stream with GET, and end a session with DELETE. This
server has neither; Allow names the one method that it takes.
TEXT
for method in GET DELETE; do
  request "$NOW/mcp" -X "$method"
  expect_status 405
  expect_header Allow POST
done

finish
