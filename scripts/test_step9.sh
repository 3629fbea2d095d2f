#!/usr/bin/env bash
# Step 9 as a lesson: an authorization server. See --help.
set -euo pipefail
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lesson 9 'an authorization server' 'step8 step9' "$@" <<'TEXT'
Tokens were made by hand so far. Now there is a server that issues them: a user logs
in on its pages and allows a client to act; the client gets a code, and for the code
a token that lives for minutes. A client needs to know one URL and finds the rest.
TEXT

resource=http://localhost:9000/mcp
callback=http://127.0.0.1:12345/callback
jar=$work/cookies
remember COOKIES "$jar"

serve BEFORE 8 -keys "$keys"
serve NOW 9 -keys "$work/signing"
issuer=$NOW/realms/mcp-realm
endpoint=$issuer/protocol/openid-connect
remember ISSUER "$issuer"

# base64url reads bytes and writes base64url (RFC 4648, section 5).
base64url() { base64 | tr -d '=\n' | tr '+/' '-_'; }

# new_challenge makes a secret of PKCE, and what may be told of it.
new_challenge() {
  local hex
  verifier=$(head -c 32 /dev/urandom | base64url)
  hex=$(printf %s "$verifier" | { sha256sum 2>/dev/null || shasum -a 256; })
  challenge=$(printf '%b' "$(sed 's/ .*//; s/../\\x&/g' <<<"$hex")" | base64url)
  remember VERIFIER "$verifier"
  remember CHALLENGE "$challenge"
}

# secret NAME VALUE names something that no log may hold.
secret() {
  printf -v "$1" '%s' "$2"
  tokens+=("secret.$2")
  remember "$1" "$2"
}

# visit URL [OPTION…] is what a browser does: it keeps cookies, and shows of a page
# the heading and where the answer leads.
visit() {
  printf '\n'
  print_command curl -i -b "$jar" -c "$jar" "$@"
  printf '\n'
  ask -b "$jar" -c "$jar" "$@"
  location=$(header_values Location)
  sed -n '1p' "$work/head" | sed 's/^/  /'
  [[ -z $location ]] || printf '  Location: %s\n' "$(tr '&' '\n' <<<"$location" | sed '2,$s/^/    \&/')"
  sed -n 's/.*<h1>\(.*\)<\/h1>.*/  the page says: \1/p' "$work/body" | sed 's/<[^>]*>//g'
  printf '\n'
}

# answer NAME is a parameter of where the browser was sent.
answer() {
  local value
  value=$(sed -n "s/.*[?&]$1=\([^&#]*\).*/\1/p" <<<"$location")
  printf '%b' "$(tr + ' ' <<<"${value//%/\\x}")"
}

# ask_for CLIENT [PARAMETER=VALUE…] is the authorization request.
ask_for() {
  local parameter query="response_type=code&client_id=$1&redirect_uri=$callback&state=xyz"
  for parameter in "${@:2}"; do query+="&$parameter"; done
  visit "$endpoint/auth?$query"
}

# form_of prints what the form of the last page brings back.
form_of() { sed -n 's/.*name="request" value="\([^"]*\)".*/\1/p' "$work/body"; }

# allow_again CODE lets the user, who is logged in, allow the client again, and
# puts the code into the variable CODE.
allow_again() {
  ask_for "$client" 'scope=mcp:read%20mcp:tools' "code_challenge=$challenge" code_challenge_method=S256
  expect_status 303
  visit "$NOW$location"
  expect_status 200
  secret "CONSENT_FOR_$1" "$(form_of)"
  local form=CONSENT_FOR_$1
  visit "$issuer/login-actions/consent" -d "request=${!form}" -d accept=yes
  expect_status 303
  secret "$1" "$(answer code)"
}

# exchange PARAMETER=VALUE… asks the token endpoint, and shows no more of its
# answer than can be shown.
exchange() {
  local parameter options=()
  for parameter in "$@"; do options+=(-d "$parameter"); done
  printf '\n'
  print_command curl -i "$endpoint/token" "${options[@]}"
  printf '\n'
  ask "$endpoint/token" "${options[@]}"
  cp "$work/body" "$work/answer"
  jq 'with_entries(if .key | endswith("_token") then .value = "…" else . end)' "$work/answer" >"$work/body"
  print_answer
  cp "$work/answer" "$work/body"
}

expect_error() {
  expect_status "$1"
  expect_json .error "\"$2\""
}

scene 'From a name to everything else' <<'TEXT'
A client knows the issuer, because the MCP server named it. The rest is in its
metadata, which stands where RFC 8414 and OpenID Connect look for it.
TEXT
say 'Before, at step 8, the issuer had no way to a token:'
show='keys' request "$BEFORE/.well-known/oauth-authorization-server"
expect_json '[keys[] | select(endswith("_endpoint"))]' '[]' 'there is no endpoint'
say 'Now, at step 9:'
show='{issuer, authorization_endpoint, token_endpoint, registration_endpoint, jwks_uri, code_challenge_methods_supported, authorization_response_iss_parameter_supported}' \
  request "$NOW/.well-known/oauth-authorization-server/realms/mcp-realm"
expect_status 200
expect_json .issuer "\"$issuer\"" 'the issuer is the one that was asked for'
expect_json .code_challenge_methods_supported '["S256"]'
show=.issuer request "$issuer/.well-known/openid-configuration"
expect_json .issuer "\"$issuer\"" 'OpenID Connect finds the same'
show='[.keys[] | keys]' request "$endpoint/certs"
expect_json '[.keys[] | has("d")] | any' false 'the keys are public ones'

scene 'A client registers itself' <<'TEXT'
Nobody has to know it beforehand. What it is granted is in the answer.
TEXT
post "$issuer/clients-registrations/openid-connect" "{\"client_name\":\"Lesson\",\"redirect_uris\":[\"$callback\"],\"token_endpoint_auth_method\":\"none\",\"grant_types\":[\"authorization_code\",\"refresh_token\"],\"application_type\":\"native\"}"
expect_status 201
client=$(jq -r .client_id "$work/body")
remember CLIENT "$client"
expect_json .redirect_uris "[\"$callback\"]"
expect_json .client_secret null 'a public client gets no secret'
say 'The answer of a login goes to a redirect address. A dangerous one is refused:'
post "$issuer/clients-registrations/openid-connect" '{"client_name":"Evil","redirect_uris":["http://evil.example/callback"]}'
expect_error 400 invalid_redirect_uri

scene 'Where the answer may go' <<'TEXT'
Until client and address are known to belong together, nothing is sent anywhere: the
user gets a page, and the stranger nothing.
TEXT
new_challenge
visit "$endpoint/auth?response_type=code&client_id=$client&redirect_uri=http://127.0.0.1:12345/elsewhere&code_challenge=$challenge&code_challenge_method=S256"
expect_status 400
expect_no_header Location
say 'A request without PKCE is refused, too. That the client is told, and by whom:'
ask_for "$client" scope=mcp:read
expect_status 303
expect 'the error is invalid_request' invalid_request "$(answer error)"
expect 'the state comes back' xyz "$(answer state)"
expect 'the issuer says who it is' "$issuer" "$(answer iss)"

scene 'The user logs in, and allows it' <<'TEXT'
The browser is sent to the login page, then to a page that says what the client will
be able to do. The client sees no password.
TEXT
ask_for "$client" 'scope=mcp:read%20mcp:tools' "resource=$resource" "code_challenge=$challenge" code_challenge_method=S256
expect_status 200
expect 'the page runs no scripts and stands in no frame' yes \
  "$(header_values Content-Security-Policy | grep -q "default-src 'none'.*frame-ancestors 'none'" && echo yes)"
secret VISIT "$(form_of)"
say 'A wrong password:'
visit "$issuer/login-actions/authenticate" -d "request=$VISIT" -d username=mcp-user -d password=guessed
expect_status 401
say 'The right one:'
visit "$issuer/login-actions/authenticate" -d "request=$VISIT" -d username=mcp-user -d password=user123
expect_status 303
visit "$NOW$location"
expect_status 200
expect 'the page names the client' yes "$(grep -q 'Allow.*Lesson.*access' "$work/body" && echo yes)"
expect 'it says where the answer goes' yes "$(grep -q '127.0.0.1' "$work/body" && echo yes)"
expect 'it warns of programs on this computer' yes "$(grep -q 'start this application yourself' "$work/body" && echo yes)"
secret CONSENT "$(form_of)"
visit "$issuer/login-actions/consent" -d "request=$CONSENT" -d accept=yes
expect_status 303
expect 'the state comes back' xyz "$(answer state)"
expect 'the issuer says who it is' "$issuer" "$(answer iss)"
secret CODE "$(answer code)"
expect 'there is a code' yes "$([[ $CODE ]] && echo yes)"

scene 'A code for a token' <<'TEXT'
The code alone is worth nothing: whoever stole it on the way lacks the secret of
PKCE, of which the request showed only the hash. The client has it.
TEXT
exchange grant_type=authorization_code "client_id=$client" "redirect_uri=$callback" "code=$CODE" "code_verifier=$verifier" "resource=$resource"
expect_status 200
expect_header Cache-Control no-store
secret REFRESH "$(jq -r .refresh_token "$work/body")"
access=$(jq -r .access_token "$work/body")
tokens+=("$access")
remember TOKEN "$access"
say 'What the token says:'
printf '\n'
payload=${access#*.} payload=${payload%%.*}
while ((${#payload} % 4)); do payload+='='; done
tr '_-' '/+' <<<"$payload" | base64 -d >"$work/body"
jq "$jq_colour" . "$work/body" | sed 's/^/  /'
printf '\n'
expect_json .iss "\"$issuer\"" 'it comes from the issuer'
expect_json .aud "\"$resource\"" 'it is meant for one MCP server'
expect_json .scope '"mcp:read mcp:tools"'
expect_json '.exp - .iat <= 600' true 'it lives for minutes'

scene 'Used twice' <<'TEXT'
A code that comes twice is in two hands. Then what it gave out is taken back.
TEXT
exchange grant_type=authorization_code "client_id=$client" "redirect_uri=$callback" "code=$CODE" "code_verifier=$verifier"
expect_error 400 invalid_grant
say 'The refresh token of the first exchange is gone with it:'
exchange grant_type=refresh_token "client_id=$client" "refresh_token=$REFRESH"
expect_error 400 invalid_grant

scene 'A stolen code, a stolen refresh token' <<'TEXT'
The user is logged in already, and is asked all the same, for any program on this
computer can take the client's name. A thief has the code, and no verifier:
TEXT
new_challenge
allow_again SECOND_CODE
exchange grant_type=authorization_code "client_id=$client" "redirect_uri=$callback" "code=$SECOND_CODE" code_verifier=0123456789012345678901234567890123456789012
expect_error 400 invalid_grant
say 'The client itself gets its tokens, with the next code:'
allow_again THIRD_CODE
exchange grant_type=authorization_code "client_id=$client" "redirect_uri=$callback" "code=$THIRD_CODE" "code_verifier=$verifier"
expect_status 200
secret FIRST "$(jq -r .refresh_token "$work/body")"
say 'It refreshes, and gets another refresh token:'
exchange grant_type=refresh_token "client_id=$client" "refresh_token=$FIRST"
expect_status 200
secret NEXT "$(jq -r .refresh_token "$work/body")"
expect 'it is another one' yes "$([[ $NEXT != "$FIRST" ]] && echo yes)"
say 'Somebody uses the old one: it is in two hands, so the whole line ends.'
exchange grant_type=refresh_token "client_id=$client" "refresh_token=$FIRST"
expect_error 400 invalid_grant
exchange grant_type=refresh_token "client_id=$client" "refresh_token=$NEXT"
expect_error 400 invalid_grant

scene 'A token for another server' <<'TEXT'
A token is for the server that it names. This one issues none for strangers.
TEXT
ask_for "$client" scope=mcp:read "code_challenge=$challenge" code_challenge_method=S256 resource=https://evil.example/mcp
expect_status 303
expect 'the error is invalid_target' invalid_target "$(answer error)"

scene 'A password for a token' <<'TEXT'
OAuth 2.1 has no such grant: the client would see the password. One client has it
here, for trying things out with curl; others are refused.
TEXT
exchange grant_type=password client_id=mcp-test-client username=mcp-readonly password=readonly123 'scope=mcp:read mcp:tools'
expect_status 200
expect_json .scope '"mcp:read"' 'this user may have no more than mcp:read'
tokens+=("$(jq -r .access_token "$work/body")")
exchange grant_type=password "client_id=$client" username=mcp-user password=user123
expect_error 400 unauthorized_client

scene 'What the log keeps' <<'TEXT'
We end the servers and search their logs for tokens, codes and what else is secret.
TEXT
printf '\n'
expect_no_token_in_logs

finish
