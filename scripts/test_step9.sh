#!/usr/bin/env bash
# Step 9 as a lesson: an authorization server. See --help.
set -euo pipefail
takes_provider=yes
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lesson 9 'an authorization server' 'step8 step9' "$@" <<'TEXT'
So far we made tokens by hand. Now there is a server that issues them. A user logs in
on its pages and lets a client act. The client gets a code, and exchanges it for a
token that is valid for minutes. A client needs to know one URL and finds the rest.
TEXT

resource=http://localhost:9000/mcp
callback=http://127.0.0.1:12345/callback
jar=$work/cookies
remember COOKIES "$jar"

base=${KEYCLOAK_URL:-http://localhost:8080} base=${base%/}
unset KEYCLOAK_URL
if [[ $provider == keycloak ]]; then
  curl -q -sf --noproxy '*' --max-time 10 -o "$work/body" "$base/realms/mcp-realm/.well-known/openid-configuration" ||
    fail "no Keycloak with the realm mcp-realm answers at $base" 'start one with: go run ./cmd/step9 --provider keycloak'
fi

serve BEFORE 8 -keys "$keys"
if [[ $provider == embedded ]]; then
  serve NOW 9 -keys "$work/signing"
  base=$NOW
else
  printf '\n  Keycloak is at %s\n' "$base"
fi
issuer=$base/realms/mcp-realm
endpoint=$issuer/protocol/openid-connect
remember ISSUER "$issuer"

# on PROVIDER says whether it is the one. aside says what is special about Keycloak.
on() { [[ $provider == "$1" ]]; }
aside() { ! on keycloak || say "Keycloak: $*"; }

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
  # First, because a code of Keycloak has the client's name in it.
  names=("$1" "${names[@]}") values=("$2" "${values[@]}")
  hold "$1" "$2"
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
  heading=$(tr '\n' ' ' <"$work/body" | sed -n 's/.*<h1[^>]*>\(.*\)<\/h1>.*/\1/p' | sed 's/<[^>]*>//g; s/  */ /g; s/^ //; s/ $//')
  [[ -z $heading ]] || printf '  the page says: %s\n' "$heading"
  printf '\n'
}

# address REFERENCE is what a reference in a page or a header leads to.
address() {
  case $1 in
    /*) [[ $issuer =~ ^[a-z]+://[^/]+ ]] && printf '%s%s' "${BASH_REMATCH[0]}" "$1" ;;
    *) printf '%s' "$1" ;;
  esac
}

# fill_in NAME FIELD=VALUE… sends the form of the last page: to where its action
# leads, its hidden fields with it. NAME stands for what the page holds in secret:
# it ties the form to this visit, as a hidden field or in the action.
fill_in() {
  local page action input field value options=()
  page=$(tr '\n' ' ' <"$work/body")
  action=$(sed -n 's/.*<form [^>]*action="\([^"]*\)".*/\1/p' <<<"$page" | sed 's/&amp;/\&/g')
  [[ $action ]] || fail 'the page has no form' "its heading: $heading"
  keep_secret "$1" "$(sed -n 's/.*[?&]session_code=\([^&]*\).*/\1/p' <<<"$action")"
  while IFS= read -r input; do
    field=$(sed -n 's/.* name="\([^"]*\)".*/\1/p' <<<"$input")
    value=$(sed -n 's/.* value="\([^"]*\)".*/\1/p' <<<"$input")
    keep_secret "$1" "$value"
    options+=(-d "$field=$value")
  done < <(grep -o '<input [^>]*type="hidden"[^>]*>' <<<"$page")
  for field in "${@:2}"; do options+=(-d "$field"); done
  visit "$(address "$action")" "${options[@]}"
}

# keep_secret is secret, for what may be empty or the same as before.
keep_secret() { [[ -z $2 || ${!1-} == "$2" ]] || secret "$1" "$2"; }

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

# allow_again CODE gets another code for the client, from the user who is logged in,
# and puts it into the variable CODE. Keycloak doesn't ask the user again.
allow_again() {
  ask_for "$client" 'scope=mcp:read%20mcp:tools' "code_challenge=$challenge" code_challenge_method=S256
  expect_redirect
  if on embedded; then
    visit "$(address "$location")"
    expect_status 200
    fill_in "CONSENT_FOR_$1" accept=yes
    expect_redirect
  fi
  expect 'the browser comes back to the client' "$callback" "${location%%\?*}"
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

# expect_redirect wants the browser sent on. 303 tells it to ask by GET whatever it
# did before (RFC 9700, section 4.12); at Keycloak's 302 browsers do so by custom.
expect_redirect() {
  if on keycloak && [[ $status == 302 ]]; then expect_status 302; else expect_status 303; fi
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
  request "$base/.well-known/oauth-authorization-server/realms/mcp-realm"
expect_status 200
expect_json .issuer "\"$issuer\"" 'the issuer is the one that was asked for'
if on embedded; then
  expect_json .code_challenge_methods_supported '["S256"]'
else
  expect_json '.code_challenge_methods_supported | sort' '["S256","plain"]'
  aside 'it lists all that it can do, plain too. What this realm takes shows below.'
fi
show=.issuer request "$issuer/.well-known/openid-configuration"
expect_json .issuer "\"$issuer\"" 'OpenID Connect finds the same'
show='[.keys[] | keys]' request "$endpoint/certs"
expect_json '[.keys[] | has("d")] | any' false 'the keys are public ones'

scene 'A client registers itself' <<'TEXT'
Nobody has to know it beforehand. What it is granted is in the answer.
TEXT
on embedded || show='del(.registration_access_token)'
post "$issuer/clients-registrations/openid-connect" "{\"client_name\":\"Lesson\",\"redirect_uris\":[\"$callback\"],\"token_endpoint_auth_method\":\"none\",\"grant_types\":[\"authorization_code\",\"refresh_token\"],\"application_type\":\"native\"}"
show=''
expect_status 201
client=$(jq -r .client_id "$work/body")
remember CLIENT "$client"
expect_json .redirect_uris "[\"$callback\"]"
expect_json .client_secret null 'a public client gets no secret'
if on keycloak; then
  secret REGISTRATION_TOKEN "$(jq -r '.registration_access_token // empty' "$work/body")"
  expect 'the client gets a token to change its registration with (RFC 7592)' yes "$([[ $REGISTRATION_TOKEN ]] && echo yes)"
fi
say 'The answer of a login goes to a redirect address. A dangerous one is refused:'
post "$issuer/clients-registrations/openid-connect" '{"client_name":"Evil","redirect_uris":["http://evil.example/callback"]}'
if on embedded; then
  expect_error 400 invalid_redirect_uri
else
  expect_error 403 insufficient_scope
  aside 'whatever a registration policy refuses, it calls insufficient_scope. RFC 7591
has invalid_redirect_uri for this.'
fi

scene 'Where the answer may go' <<'TEXT'
The server redirects only to a URI of the client. Until it knows that, it sends
nothing anywhere: the user gets a page, and the attacker gets nothing.
TEXT
new_challenge
visit "$endpoint/auth?response_type=code&client_id=$client&redirect_uri=http://127.0.0.1:12345/elsewhere&code_challenge=$challenge&code_challenge_method=S256"
expect_status 400
expect_no_header Location
say 'A request without PKCE is refused, too. The client gets the error and the issuer:'
ask_for "$client" scope=mcp:read
expect_redirect
expect 'the error is invalid_request' invalid_request "$(answer error)"
expect 'the state comes back' xyz "$(answer state)"
expect 'the issuer says who it is' "$issuer" "$(answer iss)"
if on keycloak; then
  aside 'it listed plain, where the request tells the secret itself. Here is one:'
  ask_for "$client" scope=mcp:read "code_challenge=$challenge" code_challenge_method=plain
  expect_redirect
  expect 'the error is invalid_request' invalid_request "$(answer error)"
  expect 'there is no code' '' "$(answer code)"
fi

scene 'The user logs in, and allows it' <<'TEXT'
The browser is sent to the login page, then to a page that says what the client will
be able to do. The client sees no password.
TEXT
ask_for "$client" 'scope=mcp:read%20mcp:tools' "resource=$resource" "code_challenge=$challenge" code_challenge_method=S256
expect_status 200
if on embedded; then
  expect 'the page runs no scripts and stands in no frame' yes \
    "$(header_values Content-Security-Policy | grep -q "default-src 'none'.*frame-ancestors 'none'" && echo yes)"
else
  expect 'no other site may frame the page' yes \
    "$(header_values Content-Security-Policy | grep -q "frame-ancestors 'self'" && echo yes)"
  aside 'its pages run scripts of its own; those of the embedded server run none.'
fi
say 'A wrong password:'
fill_in VISIT username=mcp-user password=guessed
if on embedded; then
  expect_status 401
else
  expect_status 200
  expect 'the page says why' yes "$(grep -q 'Invalid username or password' "$work/body" && echo yes)"
fi
expect 'the browser is sent nowhere' '' "$location"
aside 'its status is 200 all the same; only the page tells, which is the login page again.'
say 'The right one:'
fill_in VISIT username=mcp-user password=user123
expect_redirect
visit "$(address "$location")"
expect_status 200
expect 'the page names the client' yes "$(grep -q 'Lesson' <<<"$heading" && echo yes)"
if on embedded; then
  expect 'it says where the answer goes' yes "$(grep -q '127.0.0.1' "$work/body" && echo yes)"
  expect 'it warns of programs on this computer' yes "$(grep -q 'start this application yourself' "$work/body" && echo yes)"
else
  expect 'the page says what the client may do' yes "$(grep -q 'in your name' "$work/body" && echo yes)"
  aside "its page says what the client may do. Where the answer goes it does not say, nor that
any program on this computer can take the client's name; that needs a theme of one's own."
fi
fill_in CONSENT accept=yes
expect_redirect
expect 'the browser comes back to the client' "$callback" "${location%%\?*}"
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
expect_json '.scope | split(" ") | sort' '["mcp:read","mcp:tools"]' 'the scope is what the user allowed'
expect_json '.exp - .iat <= 600' true 'it lives for minutes'

scene 'Used twice' <<'TEXT'
If a code is used twice, one of the two is a thief. So all tokens from it are revoked.
TEXT
exchange grant_type=authorization_code "client_id=$client" "redirect_uri=$callback" "code=$CODE" "code_verifier=$verifier"
expect_error 400 invalid_grant
say 'The refresh token of the first exchange is gone with it:'
exchange grant_type=refresh_token "client_id=$client" "refresh_token=$REFRESH"
expect_error 400 invalid_grant

again="The user is logged in already, and is asked all the same, for any program on this
computer can take the client's name."
on embedded || again="The user is logged in already. Keycloak remembers what the client was allowed, and does
not ask again. (The embedded server does: any program here can take the client's name.)"
scene 'A stolen code, a stolen refresh token' <<TEXT
$again
A thief has the code, but not the verifier:
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
say 'The old one comes again: it has leaked, so its whole family is revoked.'
exchange grant_type=refresh_token "client_id=$client" "refresh_token=$FIRST"
expect_error 400 invalid_grant
exchange grant_type=refresh_token "client_id=$client" "refresh_token=$NEXT"
expect_error 400 invalid_grant

scene 'A token for another server' <<'TEXT'
A token is for the server that it names. This provider issues none for unknown servers.
TEXT
ask_for "$client" scope=mcp:read "code_challenge=$challenge" code_challenge_method=S256 resource=https://evil.example/mcp
expect_redirect
if on embedded; then
  expect 'the error is invalid_target' invalid_target "$(answer error)"
else
  secret STRANGE_CODE "$(answer code)"
  expect 'there is a code' yes "$([[ $STRANGE_CODE ]] && echo yes)"
  aside 'it checks the resource only when it issues a token, and issues none:'
  exchange grant_type=authorization_code "client_id=$client" "redirect_uri=$callback" "code=$STRANGE_CODE" "code_verifier=$verifier" resource=https://evil.example/mcp
  expect_error 400 invalid_target
  expect_json .access_token null 'there is no token'
fi

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

if on embedded; then
  scene 'What the log keeps' <<'TEXT'
We end the servers and search their logs for tokens, codes and what else is secret.
TEXT
  printf '\n'
  expect_no_token_in_logs
else
  scene 'What is left behind' <<'TEXT'
With the embedded server we would search its log for secrets now. Keycloak stays, and
its log is its own. But the client that we registered goes, by the token that came
with the registration; after that nobody can log in for it.
TEXT
  request "$issuer/clients-registrations/openid-connect/$client" -X DELETE -H "Authorization: Bearer $REGISTRATION_TOKEN"
  expect_status 204
  ask_for "$client" scope=mcp:read "code_challenge=$challenge" code_challenge_method=S256
  expect_status 400
  expect_no_header Location
fi

finish
