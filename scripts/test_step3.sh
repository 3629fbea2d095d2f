#!/usr/bin/env bash
# Step 3 as a lesson: what a server tells about its tools and prompts. See
# --help.
set -euo pipefail
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lesson 3 'tools and prompts, listed' 'step2 step3' "$@" <<'TEXT'
The server lists its tools (what a model may call) and prompts (what a user may
pick), with schemas that say which arguments they take. The lists are promises:
later steps check calls against them. Calling comes with step 4.
TEXT

serve BEFORE 2
serve NOW 3

scene 'What can you do?' <<'TEXT'
A client asks for the tools.
TEXT
say 'Before, at step 2, there is nothing to list:'
legacy "$BEFORE/mcp" tools/list ''
expect_json .error.code -32601
say 'Now, at step 3:'
show='.result.tools[0]' legacy "$NOW/mcp" tools/list ''
expect_status 200
expect_json '[.result.tools[].name]' '["echo","get_time"]'
expect_json '.result.tools[0].inputSchema.required' '["message"]'
expect_json '.result.tools[0].inputSchema.properties.repeat_count | [.minimum, .maximum]' '[1,10]' \
  'echo repeats 1 to 10 times'
expect_json '.result.tools[0].inputSchema.additionalProperties' false \
  'echo takes no other arguments'
expect_json '[.result.tools[] | has("title", "description", "outputSchema")] | all' true \
  'every tool has a title, a description and an output schema'
expect_json '[.result.tools[].annotations.readOnlyHint] | all' true \
  'every tool says that it changes nothing'

scene 'The same as of 2026-07-28' <<'TEXT'
The answer also says how long a client may cache it (not at all) and for whom (only
for this caller), because from step 8 on the lists depend on the caller.
TEXT
show='.result | {resultType, ttlMs, cacheScope, tools: [.tools[].name]}' modern "$NOW/mcp" tools/list ''
expect_status 200
expect_json '[.result.tools[].name]' '["echo","get_time"]'
expect_json .result.ttlMs 0
expect_json .result.cacheScope '"private"'

scene 'Prompts' <<'TEXT'
A prompt says which arguments it takes, and which of them it needs.
TEXT
legacy "$NOW/mcp" prompts/list ''
expect_status 200
expect_json '[.result.prompts[].name]' '["echo_prompt","greeting","help"]'
expect_json '.result.prompts[0].arguments[0] | [.name, .required]' '["message",true]' \
  'echo_prompt needs a message'
say 'The same as of 2026-07-28:'
show='.result | {resultType, ttlMs, cacheScope, prompts: [.prompts[].name]}' modern "$NOW/mcp" prompts/list ''
expect_status 200
expect_json '[.result.prompts[].name]' '["echo_prompt","greeting","help"]'

scene 'The same order every time' <<'TEXT'
A list whose order changes looks like a new one: models lose what they have
cached, and two answers can't be compared. So we ask twice and compare.
TEXT
show='[.result.tools[].name]' legacy "$NOW/mcp" tools/list ''
first=$(cat "$work/body")
show='[.result.tools[].name]' legacy "$NOW/mcp" tools/list ''
expect 'both answers are the same, byte by byte' "$first" "$(cat "$work/body")"

scene 'The server says that it has them' <<'TEXT'
When a client introduces itself, the capabilities now name tools and prompts.
TEXT
hello='{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}'
say 'Before, at step 2:'
legacy "$BEFORE/mcp" initialize "$hello"
expect_json .result.capabilities '{}'
say 'Now, at step 3:'
legacy "$NOW/mcp" initialize "$hello"
expect_json '.result.capabilities | keys' '["prompts","tools"]'
say 'The same as of 2026-07-28:'
modern "$NOW/mcp" server/discover ''
expect_json '.result.capabilities | keys' '["prompts","tools"]'

scene 'Listed is not dispatched' <<'TEXT'
Calling a tool, or getting a prompt, is the next step. Until then the server says
so.
TEXT
legacy "$NOW/mcp" tools/call '{"name":"echo","arguments":{"message":"hi"}}'
expect_json .error.message '"this is listed, but not dispatched yet: that comes with step 4"'
say 'As of 2026-07-28, and for a prompt:'
modern "$NOW/mcp" prompts/get '{"name":"help"}'
expect_json .error.message '"this is listed, but not dispatched yet: that comes with step 4"'

scene 'Who may read the lists?' <<'TEXT'
Everybody who reaches the server, but no foreign page. Who calls is not known
before step 6.
TEXT
legacy "$NOW/mcp" tools/list '' -H 'Origin: http://evil.com'
expect_status 403
expect_json .error '"origin_not_allowed"'

finish
