#!/usr/bin/env bash
# Step 4 as a lesson: tools and prompts that work, and what becomes of bad
# calls. See --help.
set -euo pipefail
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lesson 4 'tools and prompts, at work' 'step3 step4' "$@" <<'TEXT'
Tools and prompts now work. The server checks arguments against the schema before
a tool sees them, and says in plain words what is wrong, so that a model can
correct its call. From now on the server is useful, to everybody who can reach it.
TEXT

serve BEFORE 3
serve NOW 4

thrice='{"name":"echo","arguments":{"message":"hi","repeat_count":3}}'

scene 'A call' <<'TEXT'
echo repeats a message. The answer comes twice: as text for a model to read, and
as structured content for a program.
TEXT
say 'Before, at step 3:'
legacy "$BEFORE/mcp" tools/call "$thrice"
expect_json .error.code -32603
say 'Now, at step 4:'
legacy "$NOW/mcp" tools/call "$thrice"
expect_status 200
expect_json '.result.content[0].text' '"hihihi"'
expect_json .result.structuredContent '{"text":"hihihi"}'
say 'The same as of 2026-07-28:'
modern "$NOW/mcp" tools/call "$thrice"
expect_status 200
expect_json .result.structuredContent '{"text":"hihihi"}'
expect_json .result.resultType '"complete"'

scene 'Another tool' <<'TEXT'
get_time knows every IANA time zone, and says so when it is given another name.
TEXT
legacy "$NOW/mcp" tools/call '{"name":"get_time","arguments":{"timezone":"Europe/Berlin"}}'
expect_json .result.structuredContent.timezone '"Europe/Berlin"'
expect_json '.result.structuredContent.time | test("^[0-9-]{10}T[0-9:]{8}[+]0[12]:00$")' true \
  'the time is that of Berlin, one or two hours ahead of UTC'
say 'A zone that does not exist:'
legacy "$NOW/mcp" tools/call '{"name":"get_time","arguments":{"timezone":"Mars/Base"}}'
expect_json .result.isError true

scene 'Prompts' <<'TEXT'
A prompt fills its arguments in and gives back a message for the model.
TEXT
legacy "$NOW/mcp" prompts/get '{"name":"greeting","arguments":{"name":"Ada"}}'
expect_status 200
expect_json '.result.messages[0].content.text' '"Please greet Ada warmly, in one sentence."'
say 'The same as of 2026-07-28:'
modern "$NOW/mcp" prompts/get '{"name":"greeting","arguments":{"name":"Ada"}}'
expect_status 200
expect_json '.result.messages[0].content.text' '"Please greet Ada warmly, in one sentence."'
say 'Without an argument that it needs:'
legacy "$NOW/mcp" prompts/get '{"name":"echo_prompt"}'
expect_json .error.code -32602

scene 'Arguments that break the schema' <<'TEXT'
The list says: a message, and a repeat_count from 1 to 10. Models get such things
wrong, so the answer is a result that they can read (isError), not a failure of
the protocol; and it names the argument.
TEXT
legacy "$NOW/mcp" tools/call '{"name":"echo","arguments":{"message":"hi","repeat_count":11}}'
expect_status 200
expect_json .result.isError true
expect_json '.result.content[0].text' '"echo was not called: repeat_count: maximum: got 11, want 10"'
say 'The wrong type:'
legacy "$NOW/mcp" tools/call '{"name":"echo","arguments":{"message":["hi"]}}'
expect_json .result.isError true
expect_json '.result.content[0].text' '"echo was not called: message: got array, want string"'
say 'An argument that is not in the list, as of 2026-07-28:'
modern "$NOW/mcp" tools/call '{"name":"echo","arguments":{"message":"hi","shout":true}}'
expect_json .result.isError true

scene 'A tool that does not exist' <<'TEXT'
A model can't correct that, so it is an error of the protocol. Names that mean
something to a file system or to JavaScript mean nothing here.
TEXT
legacy "$NOW/mcp" tools/call '{"name":"../etc/passwd","arguments":{}}'
expect_status 200
expect_json .error.code -32602
say 'As of 2026-07-28, where the HTTP status says it too:'
modern "$NOW/mcp" tools/call '{"name":"__proto__","arguments":{}}'
expect_status 400
expect_json .error.code -32602

scene 'One name for the proxy, another for the server' <<'TEXT'
A proxy that lets only get_time pass looks at Mcp-Name. The body asks for echo.
TEXT
modern_body tools/call '{"name":"echo","arguments":{"message":"hi"}}'
post "$NOW/mcp" "$body" -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: get_time'
expect_status 400
expect_json .error.code -32020

scene 'Who may call?' <<'TEXT'
Everybody who reaches the server. It refuses a foreign page, as before, and asks
no other caller who they are. Steps 5 to 8 change that.
TEXT
legacy "$NOW/mcp" tools/call "$thrice" -H 'Origin: http://evil.com'
expect_status 403
expect_json .error '"origin_not_allowed"'
say 'Anybody, with any program:'
legacy "$NOW/mcp" tools/call "$thrice"
expect_status 200

finish
