#!/usr/bin/env bash
# Lets MCP clients that nobody here wrote at our servers (interop/clients/run):
# with step 9 as the provider and with a token at step 8, or with --issuer URL at
# a Keycloak that runs, whose realm is that of step 9. Other flags are the
# runner's; its -h names them.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

go build -o "$work/clients" ./interop/clients/run || die "interop/clients/run does not build"
timeout --foreground 1800 "$work/clients" "$@"
