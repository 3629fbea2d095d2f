#!/usr/bin/env bash
# Step 11 as a lesson: the client that finds its own way in. See --help.
set -euo pipefail
takes_provider=yes
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lesson 11 'the client that finds its own way in' 'step9 step10 step11' "$@" <<'TEXT'
So far we copied tokens by hand. Now there is a client. It knows one URL, the MCP
server's. It finds out who issues tokens, registers there and asks for what it needs,
and it says at each turn what it does. The user only decides.
TEXT

unset "${!JWT_@}" "${!INTROSPECTION_@}" MCP_SERVER_URL MCP_CHALLENGE_SCOPES JWKS_MIN_INTERVAL KEYCLOAK_REALM
login=mcp-user:user123 # the demo user of the realm file
store=$work/store
remember LOGIN "$login"
remember STORE "$store"

# client [FLAG…] runs the client and shows what it says. Its exit status is in
# $ended, what it said in $said.
client() {
  printf '\n'
  print_command go run ./cmd/step11 "$@"
  ended=0
  "$work/bin/step11" "$@" </dev/null >"$work/said" 2>&1 || ended=$?
  said=$(cat "$work/said")
  printf '%s\n\n' "$said" | sed 's/^/  /'
}

# expect_end STATUS WORDS holds the client's exit status against one.
expect_end() { expect "it ends with status $1: $2" "$1" "$ended"; }

# expect_said TEXT wants it in what the client said; expect_silence doesn't.
expect_said() { expect "it says: $1" yes "$(grep -qF -e "$1" <<<"$said" && echo yes)"; }
expect_silence() { expect "it says nothing of: $1" '' "$(grep -F -e "$1" <<<"$said" || true)"; }

# take_note remembers the tokens in the store, for the search of the logs.
take_note() {
  local file token
  for file in "$store"/*.json; do
    for token in $(jq -r '.token | .access_token, (.refresh_token // empty | "x." + .)' "$file"); do tokens+=("$token"); done
  done
}

if [[ $provider == keycloak ]]; then
  base=${KEYCLOAK_URL:-http://localhost:8080} base=${base%/}
  port=9000 # the audience that the realm file names
else
  port=$(free_port)
fi
resource=http://localhost:$port/mcp
if [[ $provider == embedded ]]; then
  serve PROVIDER 9 -keys "$work/signing" -resource "$resource"
  # shellcheck disable=SC2153 # serve sets it
  base=$PROVIDER
fi
unset KEYCLOAK_URL
printf 'KEYCLOAK_URL=%s\nKEYCLOAK_REALM=mcp-realm\nMCP_SERVER_URL=%s\n' "$base" "${resource%/mcp}" >"$work/provider.env"
remember ENV_FILE "$work/provider.env"
serve NOW 10 -addr "localhost:$port" -env "$work/provider.env"
deadline=$((SECONDS + 180))
while ask "$NOW/health" && [[ $status != 200 ]] && ((SECONDS < deadline)); do sleep 0.1; done

scene 'Nothing but a URL' <<'TEXT'
The client asks the MCP server, is refused, and follows what the refusal says. Where
the user would log in and consent in a browser, --login fills in the forms of a
provider on this machine.
TEXT
client --server "$resource" --store "$store" --login "$login"
expect_end 0 'it is let in'
for turn in '1. Ask the MCP server' "2. Read the MCP server's metadata" "3. Read the authorization server's metadata" \
  '4. Register the client' '5. Ask the user' '6. Get a token' '7. Ask the MCP server'; do
  expect_said "$turn"
done
expect_said '401 Unauthorized'
expect_said "resource=$resource"
expect_said 'code_challenge_method=S256'
expect_said "aud: \"$resource\""
expect_said 'scope: "mcp:read"'
take_note
expect 'what it keeps can be read by its owner alone' yes \
  "$([[ -z $(find "$store" -type f ! -perm 600) && -n $(find "$store" -type f -name '*.json') ]] && echo yes)"

scene 'The second time' <<'TEXT'
The client has a token from the first run, and uses it.
TEXT
client --server "$resource" --store "$store" --login "$login"
expect_end 0 'it is let in'
expect_said 'There is a token for this server from an earlier run'
expect_silence '401 Unauthorized'
expect_silence 'Ask the user'

scene 'One step up' <<'TEXT'
The token is for reading. Calling a tool needs a second scope, and the server says so.
The client asks the user for both scopes, and tries again.
TEXT
client --server "$resource" --store "$store" --login "$login" --call echo --arg message=hi --report "$work/flow.html"
expect_end 0 'the tool answers'
expect_said '403 Forbidden'
expect_said 'insufficient_scope'
expect_said '&scope=mcp:read mcp:tools'
take_note
expect 'the flow as a page names who took part' yes \
  "$(grep -q 'Authorization server' "$work/flow.html" && grep -q '403 Forbidden' "$work/flow.html" && echo yes)"
expect 'the page loads nothing' '' "$(grep -oE '<(script|link|img|iframe)|url\(|@import' "$work/flow.html" || true)"

scene 'For programs' <<'TEXT'
--quiet leaves the result alone, --json makes a line of each event.
TEXT
client --server "$resource" --store "$store" --login "$login" --quiet --call echo --arg message=hi
expect 'the answer alone' hi "$said"
client --server "$resource" --store "$store" --login "$login" --json --call echo --arg message=hi
expect 'each line is JSON, and the last one the result' '"hi"' "$(jq -c -s 'last.result' "$work/said")"
client --server "$resource" --store "$store" --login "$login" --quiet --call get_time --arg timezone=Nowhere/At_All
expect_end 5 'the tool reports an error'

scene 'A server with the metadata of another' <<'TEXT'
Here is a server whose 401 points to the metadata of another one. A client that followed
would get a token for that one, and send it here. It stops before anybody is asked.
TEXT
printf 'KEYCLOAK_URL=%s\nKEYCLOAK_REALM=mcp-realm\nMCP_SERVER_URL=%s\n' "$base" "${resource%/mcp}" >"$work/other.env"
serve IMPOSTOR 10 -addr localhost:0 -env "$work/other.env"
client --server "$IMPOSTOR/mcp" --store none --login "$login"
expect_end 3 'it is not let in'
expect_silence 'Register the client'

scene 'What does not work' <<'TEXT'
A wrong password, a server that isn't there, and a server without TLS, to which the
client sends no token.
TEXT
client --server "$resource" --store none --quiet --login mcp-user:wrong
expect_end 3 'the provider does not accept the user'
client --server http://127.0.0.1:1/mcp --store none --quiet --login "$login"
expect_end 4 'nobody answers'
client --server http://mcp.example/mcp --store none --quiet
expect_end 3 'it refuses to go there'
expect_said 'use https'

scene 'Forget' <<'TEXT'
--forget revokes the tokens and removes what was kept.
TEXT
client --server "$resource" --store "$store" --forget
expect_end 0 'all is forgotten'
expect 'nothing is left' '' "$(find "$store" -type f)"

scene 'What the logs keep' <<'TEXT'
We end the servers and search their logs for the tokens.
TEXT
printf '\n'
expect_no_token_in_logs

finish
