#!/usr/bin/env bash
# Uses the window of MCP Inspector in a headless Chromium, as a person does, from
# nothing but the URL of step 10: connect, log in, list the tools, call one. The
# provider is step 9, whose first challenge names the least scope, so that the
# call needs a step-up; or what --issuer names, a Keycloak that gives out tokens
# for http://localhost:9000/mcp. A Keycloak binds a client to the scopes that it
# registered with, so there the first challenge names all.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

issuer='' port=9000
case ${1-} in
  '') ;;
  --issuer) issuer=${2:?"--issuer needs a URL"} ;;
  *) die "unknown argument $1; the only one is --issuer URL" ;;
esac
find_chromium
provider=keycloak challenge=(-challenge-scopes "mcp:read mcp:tools mcp:prompts")
if [[ -z $issuer ]]; then
  provider=embedded challenge=(-challenge-scopes mcp:read)
  port=$(free_port)
  start_server step9 -keys "$work/keys" -resource "http://localhost:$port/mcp"
  issuer=$url/realms/mcp-realm
fi
MCP_SERVER_URL=http://localhost:$port JWT_ISSUER=$issuer JWT_DIALECT=keycloak start_server step10 -addr "localhost:$port" "${challenge[@]}"

client interop/window.mjs "$(jq -n '$ARGS.named' --arg server "$url/mcp" --arg provider "$provider" --arg issuer "$issuer" \
  --arg chromium "$chromium" --arg inspector interop/node_modules/.bin/mcp-inspector --arg port "$(free_port)" --arg sandbox "$(free_port)")"
