#!/usr/bin/env bash
# Fuzzes every target for a number of executions of its own, about ten seconds'
# worth on two idle cores. A run that is bounded by time instead ends with
# "context deadline exceeded" now and then on a busy machine.
#
#   bash scripts/fuzz.sh            all targets; with FUZZ=short an eighth of the executions
#   bash scripts/fuzz.sh FuzzRoute  those of that name
#   bash scripts/fuzz.sh --check    none: see that the table has every target
#   FUZZ=million bash scripts/fuzz.sh
#                                   those that compare the fast way with the plain one (JSON read in
#                                   one pass, our POST handler, the token cache): a million executions
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Package, target, executions.
targets() {
	cat <<'LIST'
internal/authserver FuzzF02_Redirect 20000
internal/authserver FuzzF04_AuthorizeParameters 20000
internal/authserver FuzzG09_TokenForm 20000
internal/authserver/clientmetadata FuzzMatchRedirect 200000
internal/authserver/clientmetadata FuzzParseDocument 100000
internal/authserver/clientmetadata FuzzParseRegistration 100000
internal/authserver/clientmetadata FuzzParseRedirect 200000
internal/authserver/realm FuzzParse 50000
internal/authserver/realmproxy FuzzRoute 100000
internal/mcpclient/mcpauth FuzzCallback 50000
internal/mcpclient/mcpauth FuzzMetadata 100000
internal/mcpclient/mcpauth FuzzParseChallenges 200000
internal/mcpclient/mcpauth FuzzTokenResponse 100000
internal/web/cors FuzzRS15_Preflight 100000
internal/mcpserver/introspection FuzzRead 20000
internal/oauth/issuerkeys FuzzDiscover 20000
internal/oauth/issuerkeys FuzzLifetime 200000
internal/mcpserver/mcpendpoint FuzzJ03_DecodeAndServerAgree 20000
internal/web/cors FuzzRS01_Allowed 200000
internal/mcpserver/mcpendpoint FuzzAsMCPGoTransport 15000
internal/oauth/accesstoken FuzzDialect 20000
internal/oauth/accesstoken FuzzVerify 8000
internal/oauth/bearerauth FuzzJ03_Credentials 100000
internal/oauth/jwks FuzzParse 50000
internal/oauth/tokencache FuzzAsWithoutCache 1500
internal/web/safefetch FuzzCheckURL 200000
internal/web/strictjson FuzzObject 200000
LIST
}

written=$(grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' internal cmd |
	sed -E 's|^(.*)/[^/]+:func (.*)|\1 \2|' | LC_ALL=C sort)
listed=$(targets | cut -d' ' -f1,2 | LC_ALL=C sort)
if [[ $written != "$listed" ]]; then
	echo "${0##*/}: the table of targets is not what the tests have; < is the table, > the tests:" >&2
	diff <(echo "$listed") <(echo "$written") >&2 || true
	exit 1
fi

# What FUZZ=million runs. The other way is encoding/json, mcp-go's own transport, and
# the verifier without the cache.
side_by_side() {
	cat <<'LIST'
internal/web/strictjson FuzzObject 900000
internal/mcpserver/mcpendpoint FuzzAsMCPGoTransport 80000
internal/oauth/tokencache FuzzAsWithoutCache 20000
LIST
}

while read -r package target executions; do
	[[ ${FUZZ:-} != short ]] || executions=$((executions / 8))
	if [[ -z ${1:-} || $1 == "$target" ]]; then
		go test "./$package" -run '^$' -fuzz "^$target\$" -fuzztime "${executions}x"
	fi
done < <(if [[ ${FUZZ:-} == million ]]; then side_by_side; else targets; fi)
