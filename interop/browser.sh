#!/usr/bin/env bash
# Goes through the whole flow of step 11 in a headless Chromium: login, consent,
# callback, tool call, step-up, and what can go wrong on the way. The provider is
# step 9, whose pages are gone over too; or what --issuer names, a Keycloak that
# gives out tokens for --resource, http://localhost:9000/mcp if that isn't said.
# With --screenshots DIR the pages are left there as pictures. With --pictures DIR
# the consent page and the flow report are, as the README shows them: docs/pictures.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

issuer='' resource='' screenshots='' pictures=''
while (($#)); do
  case $1 in
    --issuer) issuer=${2:?"--issuer needs a URL"} ;;
    --resource) resource=${2:?"--resource needs a URL"} ;;
    --screenshots)
      mkdir -p "${2:?"--screenshots needs a folder"}"
      screenshots=$(realpath "$2")
      ;;
    --pictures) pictures=$(realpath "${2:?"--pictures needs a folder"}") ;;
    *) die "unknown argument $1; there are --issuer URL, --resource URL, --screenshots DIR and --pictures DIR" ;;
  esac
  shift 2
done

find_chromium
provider=keycloak
if [[ -z $issuer ]]; then
  provider=embedded
  resource=${resource:-http://localhost:$(free_port)/mcp}
  start_server step9 -keys "$work/keys" -resource "$resource"
  issuer=$url/realms/mcp-realm
fi
resource=${resource:-http://localhost:9000/mcp}
base=${resource%/mcp}
# The least first challenge, so that the step-up is seen.
MCP_SERVER_URL=$base JWT_ISSUER=$issuer JWT_DIALECT=keycloak MCP_CHALLENGE_SCOPES=mcp:read start_server step10 -addr "${base#http://}"
go build -o "$work/step11" ./cmd/step11 || die "step11 does not build"

client interop/browser.mjs "$(jq -n '$ARGS.named' --arg step11 "$work/step11" --arg server "$resource" --arg issuer "$issuer" \
  --arg provider "$provider" --arg work "$work" --arg chromium "$chromium" --arg screenshots "$screenshots" --arg pictures "$pictures")"
