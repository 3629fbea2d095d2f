#!/usr/bin/env bash
# Puts step 9 in front of a provider that is not ours, and lets MCP clients that
# nobody here wrote log in through it: oidc-provider, or with --issuer URL an OpenID
# provider that runs and that lets clients register, such as a Keycloak. Its user is
# then --login USER:PASSWORD, who is --subject SUB there.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

more=() issuer='' login=alice:any subject=alice scopes=openid
while (($#)); do
  case $1 in
    --issuer) issuer=$2 scopes="openid profile" ;;
    --login) login=$2 ;;
    --subject) subject=$2 ;;
    --only | --jobs) more+=("$1" "$2") ;;
    *) die "unknown flag $1: see the head of this file" ;;
  esac
  shift 2
done

if [[ -z $issuer ]]; then
  port=$(free_port)
  issuer=http://localhost:$port
  interop/node_modules/.bin/node interop/servers/oidc_provider.mjs --addr "localhost:$port" --resource "$issuer/none" >"$work/op.log" 2>&1 &
  servers+=("$!")
fi

# metadata prints the provider's.
metadata() { curl -q -fsS --noproxy '*' --max-time 10 "$issuer/.well-known/openid-configuration"; }

deadline=$((SECONDS + 60))
until metadata >"$work/metadata.json" 2>"$work/curl.log"; do
  ((SECONDS < deadline)) || die "the provider doesn't answer: $(cat "$work/curl.log" "$work/op.log" 2>/dev/null)"
  sleep 0.2
done

# Step 9 is a client there like any other, with the redirect URI that it prints.
at=localhost:$(free_port)
redirect=http://$at/realms/mcp-realm/broker/upstream/endpoint
curl -q -fsS --noproxy '*' --max-time 10 "$(jq -r .registration_endpoint "$work/metadata.json")" -H 'Content-Type: application/json' \
  -d "{\"client_name\": \"step 9\", \"redirect_uris\": [\"$redirect\"], \"token_endpoint_auth_method\": \"client_secret_basic\"}" \
  >"$work/client.json" || die "the provider doesn't register step 9"

file=$work/upstream.env
(umask 077 && cat >"$file") <<END
UPSTREAM_ISSUER=$issuer
UPSTREAM_CLIENT_ID=$(jq -r .client_id "$work/client.json")
UPSTREAM_CLIENT_SECRET=$(jq -r .client_secret "$work/client.json")
UPSTREAM_SCOPES="$scopes"
UPSTREAM_SUBJECTS=$subject
UPSTREAM_ROLES_CLAIM=sub
UPSTREAM_ROLES=$subject=user
END

go build -o "$work/clients" ./interop/clients/run || die "interop/clients/run does not build"
timeout --foreground 600 "$work/clients" -upstream "$file" -at "$at" -login "$login" "${more[@]}"
