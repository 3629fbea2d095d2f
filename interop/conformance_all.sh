#!/usr/bin/env bash
# Runs all of MCP's conformance suite: the servers, the client and the
# authorization server. It closes with one table, in which an empty pass counts
# as failed.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

export CONFORMANCE_SUMMARY=$work/all
failed=0
for part in conformance conformance_client authorization; do
  printf '%s\n' "--- interop/$part.sh"
  bash "interop/$part.sh" || failed=$((failed + 1))
done
echo
show_summary "$CONFORMANCE_SUMMARY"
((failed == 0))
