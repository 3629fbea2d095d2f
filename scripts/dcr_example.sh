#!/usr/bin/env bash
# Dynamic client registration by curl, step by step. See --help.
set -euo pipefail
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'TEXT'
Dynamic client registration (RFC 7591) by curl: from the issuer's URL to a URL
that a user can log in at, and what the server refuses.

Usage: bash scripts/dcr_example.sh [--issuer URL] [--all] [--inspect]
  --issuer URL  the authorization server to register at: the embedded one,
                Keycloak, or either behind the proxy, such as
                http://localhost:8080/realms/mcp-realm
                Without it, the script starts the embedded one on a free port.
  --all         no pauses (on a terminal there is one after each scene)
  --inspect     pause also where the output is not a terminal
Exit status: 0 when every expectation is met, 1 at the first that is not.

The client stays registered, so that you can go on with it.
TEXT
}

issuer=''
while (($# > 0)); do
  case $1 in
    --issuer) issuer=${2:?"--issuer needs a URL"} && shift ;;
    --issuer=*) issuer=${1#*=} ;;
    --all) all=yes ;;
    --inspect) inspect=yes ;;
    -h | --help) usage && exit ;;
    *) printf 'unknown argument %s; see --help\n' "$1" >&2 && exit 2 ;;
  esac
  shift
done
if [[ $issuer && ! $issuer =~ ^https?://[^/]+(/.*[^/])?$ ]]; then
  printf -- '--issuer %s is not an issuer URL: want a URL without a slash at its end, such as http://localhost:8080/realms/mcp-realm\n' "$issuer" >&2
  exit 2
fi

if [[ $issuer ]]; then
  # lesson builds programs; here is none to build.
  step='9, registration' work=$(mktemp -d "${TMPDIR:-/tmp}/step9.XXXXXX")
  trap cleanup EXIT
  need curl jq openssl
  decide_pauses
else
  lesson 9 'dynamic client registration' step9 ${inspect:+--inspect} ${all:+--all} < <(usage | sed -n '1,2p')
  need openssl
  serve AS 9 -keys "$keys/authorization-server"
  issuer=$AS/realms/mcp-realm
fi

redirect=http://127.0.0.1:7777/callback

# register REDIRECT asks for a client with that redirect URI. What it shows of
# the answer leaves out the token with which the client could manage itself.
register() {
  show='del(.registration_access_token)' post "$endpoint" '{
      "client_name": "curl, as a client",
      "redirect_uris": ["'"$1"'"],
      "application_type": "native",
      "token_endpoint_auth_method": "none",
      "grant_types": ["authorization_code", "refresh_token"],
      "response_types": ["code"]}'
}

scene 'A client introduces itself' <<'TEXT'
All that the client knows is the issuer, from the MCP server's metadata. The
issuer's own metadata says where clients register. Its place follows from the
issuer: the well-known path stands between the host and the path (RFC 8414,
section 3.1).
TEXT
host=${issuer#*://} && host=${host%%/*} && origin=${issuer%%://*}://$host
show='{issuer, registration_endpoint, authorization_endpoint, token_endpoint, code_challenge_methods_supported}' \
  request "$origin/.well-known/oauth-authorization-server${issuer#"$origin"}"
expect_status 200
expect_json .issuer "\"$issuer\"" 'the issuer is the one that was asked for, to the letter'
expect_json '.code_challenge_methods_supported | index("S256") != null' true 'PKCE with S256 is there'
endpoint=$(jq -r '.registration_endpoint // empty' "$work/body")
authorize=$(jq -r .authorization_endpoint "$work/body")
token=$(jq -r .token_endpoint "$work/body")
expect 'the metadata names a registration endpoint' yes "${endpoint:+yes}"
say 'The client says who it is, and where codes shall go:'
register "$redirect"
expect_status 201
say 'What is returned is what is granted:'
expect_json .redirect_uris "[\"$redirect\"]"
expect_json .token_endpoint_auth_method '"none"' 'the client has no secret'
expect_json '.grant_types | sort' '["authorization_code","refresh_token"]'
# Keycloak adds "none" to what was asked for.
expect_json '.response_types | index("code")' 0 'the client gets codes'
client_id=$(jq -r '.client_id // empty' "$work/body")
expect 'the client has an identifier' yes "${client_id:+yes}"

scene 'A client that would send codes elsewhere' <<'TEXT'
Anybody may register, so what is asked for is not what is wanted. A redirect URI
is where the user's browser takes the code: to a script in the page, over an open
line to somebody's host, or to a name that only begins like this machine.
TEXT
for bad in 'javascript:alert(1)' http://evil.example/callback http://localhost.evil.example/callback \
  "$redirect#fragment"; do
  register "$bad"
  expect "refused: $bad" yes "$([[ $status == 40[03] ]] && echo yes || echo "no, $status")"
  expect_json '.error | type' '"string"' "with a code: $(jq -r '.error?' "$work/body" 2>/dev/null)"
  expect_json '.client_id' null 'and without a client'
done

scene "The user's turn" <<'TEXT'
The client opens a browser at the authorization endpoint. It makes up a secret, the
verifier, and sends its hash; only who knows the secret can redeem the code (PKCE,
RFC 7636). resource names the MCP server that the token will be for (RFC 8707).
TEXT
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
verifier=${VERIFIER:-$(openssl rand 32 | base64url)}
challenge=$(printf %s "$verifier" | openssl dgst -sha256 -binary | base64url)
url="$authorize?response_type=code&client_id=$client_id&redirect_uri=$redirect"
url+="&scope=mcp:read&resource=http://localhost:9000/mcp&state=$(openssl rand 12 | base64url)"
url+="&code_challenge=$challenge&code_challenge_method=S256"
printf '  %s\n' "${url//&/$'\n    &'}"
printf '\n'
# Both providers may lead to the login page by a redirect of their own.
ask "$url" -L --cookie ''
expect_status 200
expect 'there is a page with a field for a password' yes "$(grep -q 'type="password"' "$work/body" && echo yes)"
say 'With a redirect URI that the client did not register, nobody is redirected:'
ask "${url/"$redirect"/https://evil.example/callback}"
expect_status 400
expect_no_header Location

cat <<TEXT

How to go on: choose the secret yourself and run this script again, listen where the
code will arrive, open the URL above in a browser, and log in as mcp-user with the
demo password user123:

  export VERIFIER=\$(openssl rand -hex 32)
  nc -l 7777

Then redeem the code, within a minute, for the token:

  curl $token \\
    -d grant_type=authorization_code -d client_id=$client_id -d code=CODE \\
    -d redirect_uri=$redirect -d resource=http://localhost:9000/mcp \\
    -d "code_verifier=\$VERIFIER"

Step 11 is a client that does all of this.
TEXT

finish
