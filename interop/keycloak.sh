#!/usr/bin/env bash
# A real Keycloak in the place of step 9: fetched, started and set up as the
# README says, and then all that was shown with the embedded server once more.
# The lesson scripts, MCP Inspector and Chromium use it, directly and through
# the proxy. Java and Keycloak come by scripts/keycloak.sh; what is tested
# listens on free ports, but for the MCP server, for which tokens are: 9000.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

screenshots=()
case ${1-} in
  '') ;;
  --screenshots) screenshots=(--screenshots "${2:?"--screenshots needs a folder"}") ;;
  *) die "unknown argument $1; the only one is --screenshots DIR" ;;
esac

passed=0 failed=0
# part WHAT COMMAND... runs a part, and shows what it printed if it failed.
part() {
  local what=$1 begun=$SECONDS verdict=ok
  shift
  "$@" >"$work/part" 2>&1 || verdict=FAIL
  printf '%-4s  %3d s  %s\n' "$verdict" $((SECONDS - begun)) "$what"
  if [[ $verdict == ok ]]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    sed 's/^/      /' "$work/part"
  fi
}

# says TEXT COMMAND... is a command that must succeed and print a text.
says() {
  local text=$1
  shift
  "$@" >"$work/said" 2>&1 || { cat "$work/said"; return 1; }
  cat "$work/said"
  grep -qF -- "$text" "$work/said" || { echo "it does not say: $text"; return 1; }
}

# keycloak.sh start leaves the server behind, so it is ended here.
end_keycloak() {
  bash scripts/keycloak.sh stop || true
  clean_up
}
export KEYCLOAK_STATE=$work/keycloak
[[ ${CI:-} != true ]] || export KEYCLOAK_INSTALL_JAVA=1
KEYCLOAK_PORT=$(free_port) KEYCLOAK_MANAGEMENT_PORT=$(free_port)
export KEYCLOAK_PORT KEYCLOAK_MANAGEMENT_PORT KEYCLOAK_URL=http://localhost:$KEYCLOAK_PORT
issuer=$KEYCLOAK_URL/realms/mcp-realm
bash scripts/keycloak.sh start || die "Keycloak does not start"
trap end_keycloak EXIT
go build -o "$work/step9" ./cmd/step9 || die "step9 does not build"

part "step 9 sets up the realm" says 'created' "$work/step9" --provider keycloak
part "once more changes nothing" says '0 created, 0 updated' "$work/step9" --provider keycloak
part "--check" "$work/step9" --provider keycloak --check
part "registration by curl" bash scripts/dcr_example.sh --issuer "$issuer"
part "lesson 10" bash scripts/test_step10.sh --provider keycloak
part "lesson 11" bash scripts/test_step11.sh --provider keycloak
part "MCP Inspector finds its way" bash interop/login.sh --issuer "$issuer"
part "Chromium, all of the flow" bash interop/browser.sh --issuer "$issuer" "${screenshots[@]}"

# The same Keycloak behind the proxy, which is the only issuer then.
proxy=localhost:$(free_port)
"$work/step9" --provider keycloak --proxy "$proxy" >"$work/proxy.out" 2>"$work/proxy.log" &
servers+=("$!")
until grep -q '^listening on ' "$work/proxy.log"; do
  kill -0 "${servers[-1]}" 2>/dev/null || die "the proxy ended instead of starting: $(tail -n 3 "$work/proxy.log")"
  sleep 0.1
done
part "registration through the proxy" bash scripts/dcr_example.sh --issuer "http://$proxy/realms/mcp-realm"
part "MCP Inspector through the proxy" bash interop/login.sh --issuer "http://$proxy/realms/mcp-realm"
kill "${servers[-1]}" && wait "${servers[-1]}" || true
part "what the proxy answers" env PROXIED_KEYCLOAK="$KEYCLOAK_URL" go test -count=1 -v -run '^TestKeycloakBehindTheProxy$' ./internal/realmproxy

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
