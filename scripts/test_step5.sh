#!/usr/bin/env bash
# Step 5 as a lesson: a key pair, the half of it that everybody may see, and
# tokens. See --help.
set -euo pipefail
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lesson 5 'keys, shown to everybody' 'step4 step5 gentoken' "$@" <<'TEXT'
A token is a note that says who may call, signed with a private key. Whoever has
the public key can check it, and can't write one. This step makes the pair,
publishes the public half as a JSON Web Key Set (RFC 7517), and brings gentoken,
which signs tokens for tests. Nothing asks for a token yet.
TEXT

serve BEFORE 4
serve NOW 5 -keys "$keys"

scene 'A pair of keys, made on first use' <<'TEXT'
The folder did not exist; the server created it, and a key pair. Only the owner can
read the private key. The server itself needs only the public key.
TEXT
printf '\n'
print_command ls -l "$keys"
printf '\n'
# shellcheck disable=SC2012 # shown to people, read by nobody
ls -l "$keys" | sed 's/^/  /'
printf '\n'
expect 'nobody else may read the private key (mode 0600)' "$keys/mcp_private_key.pem" \
  "$(find "$keys/mcp_private_key.pem" -perm 600)"
expect 'git ignores both files, wherever the folder is' '*' "$(head -n 1 "$keys/.gitignore")"

scene 'The public key, for everybody' <<'TEXT'
The set shows the parts of an RSA key that verify (n, e), for which algorithm it
is, and a name (kid): the thumbprint of the key itself (RFC 7638).
TEXT
say 'Before, at step 4:'
request "$BEFORE/.well-known/jwks.json"
expect_status 404
say 'Now, at step 5:'
request "$NOW/.well-known/jwks.json"
expect_status 200
expect_header Content-Type application/jwk-set+json
expect_header Cache-Control 'public, max-age=300'
expect_json '.keys | length' 1
expect_json '.keys[0] | [.kty, .alg, .use]' '["RSA","RS256","sig"]' 'it is an RSA key, for RS256 signatures alone'
expect_json '.keys[0].kid | test("^[A-Za-z0-9_-]{43}$")' true 'kid is a SHA-256 in base64url'
expect_json '.keys[0] | keys - ["alg", "e", "kid", "kty", "n", "use"]' '[]' 'nothing else is shown, no part of the private key'
kid=$(jq -r '.keys[0].kid' "$work/body")

scene 'Public means public' <<'TEXT'
Pages of any Origin may read the documents below /.well-known/, since they are the
same for everybody. A foreign Host is refused there, too.
TEXT
show='.keys[].kid' request "$NOW/.well-known/jwks.json" -H 'Origin: http://evil.com'
expect_status 200
expect_header Access-Control-Allow-Origin '*'
say 'Under another name:'
request "$NOW/.well-known/jwks.json" -H 'Host: evil.com'
expect_status 403
expect_json .error '"host_not_allowed"'

scene 'A token' <<'TEXT'
gentoken takes the place of an authorization server. It prints the token on
standard output, and what the token says on standard error. A token is signed, not encrypted: whoever has it
can read it. Without the private key, nobody can write one.
TEXT
mint ALICE "$NOW" --username alice --scopes mcp:read,mcp:tools
# shellcheck disable=SC2016 # $ALICE is for the reader
printf '\n  %s\n\n' "${bold}jq -R 'split(\".\")[:2][] | gsub(\"-\"; \"+\") | gsub(\"_\"; \"/\") | @base64d | fromjson' <<<\"\$ALICE\"$plain"
jq -R 'split(".")[:2] | map(gsub("-"; "+") | gsub("_"; "/") | @base64d | fromjson)' <<<"$ALICE" >"$work/body"
jq "$jq_colour" '.[]' "$work/body" | sed 's/^/  /'
printf '\n'
expect_json '.[0] | [.alg, .typ]' '["RS256","at+jwt"]' 'it is an access token (typ at+jwt), signed with RS256'
expect_json '.[0].kid' "\"$kid\"" 'it is signed with the pair that was there: kid is that of the published key'
expect_json '.[1].iss' "\"$NOW\"" "iss: issued by $NOW"
expect_json '.[1].aud' "\"$NOW/mcp\"" "aud: meant for $NOW/mcp"
expect_json '.[1] | [.sub, .scope]' '["alice","mcp:read mcp:tools"]' 'it is for alice, with the scopes that were asked for'
expect_json '.[1] | .exp - .iat' 3600 'it lives for one hour'

scene 'Who can check need not be able to sign' <<'TEXT'
Another machine gets only the public key. The server starts, with the same key and
the same kid. gentoken can't sign.
TEXT
mkdir "$work/public"
printf '\n'
print_command cp "$keys/mcp_public_key.pem" "$work/public/"
cp "$keys/mcp_public_key.pem" "$work/public/"
serve SECOND 5 -keys "$work/public"
show='.keys[].kid' request "$SECOND/.well-known/jwks.json"
expect_status 200
expect_json '.keys[0].kid' "\"$kid\"" 'it shows the same key, under the same kid'
printf '\n'
print_command go run ./cmd/gentoken --keys "$work/public" --username alice
refused=0
"$work/bin/gentoken" --keys "$work/public" --username alice >"$work/token" 2>"$work/said" || refused=$?
printf '\n  %s\n\n' "$(cat "$work/said")"
expect 'the exit status is 1' 1 "$refused"
expect 'no token comes out' '' "$(cat "$work/token")"

scene 'A broken key file' <<'TEXT'
A server that can't read its key could start without it, and let everybody in.
This one does not start, and names the file.
TEXT
printf '\n  %s\n' "${bold}echo nonsense >$work/public/mcp_public_key.pem$plain"
echo nonsense >"$work/public/mcp_public_key.pem"
serve_in_vain 5 -addr localhost:0 -keys "$work/public"
expect 'the exit status is 1' 1 "$ended"
expect 'it names the file' yes "$([[ $said == *"$work/public/mcp_public_key.pem can't be used"* ]] && echo yes)"

scene 'The server says what it can' <<'TEXT'
/health says that there are keys. It does not say that tokens are checked, because
nobody checks them yet.
TEXT
request "$NOW/health"
expect_json . '{"jwks_available":true,"status":"healthy"}'

scene 'But nobody asks for a token' <<'TEXT'
Without one, or with nonsense in its place: the tool is called. A key that nobody
uses protects nothing. That is step 6.
TEXT
call='{"name":"echo","arguments":{"message":"who am I?"}}'
legacy "$NOW/mcp" tools/call "$call"
expect_status 200
expect_json .result.structuredContent.text '"who am I?"'
say 'With nonsense:'
legacy "$NOW/mcp" tools/call "$call" -H 'Authorization: Bearer nonsense'
expect_status 200
say 'With the token of alice, as of 2026-07-28:'
modern "$NOW/mcp" tools/call "$call" -H "Authorization: Bearer $ALICE"
expect_status 200

scene 'What the log keeps' <<'TEXT'
Whoever reads a log must not find a token there: it would be as good as a stolen
one. We end the servers and search their logs.
TEXT
printf '\n'
expect_no_token_in_logs

finish
