#!/usr/bin/env bash
# Lets the client of step 11, with its defaults, at MCP servers and authorization
# servers that are not ours (interop/servers): it is told a URL and a tool, and
# opens a browser that fills in whatever form comes. What fails for a known reason
# stands in interop/servers/baseline.json. Flags go to interop/servers/run: --only
# EXPRESSION runs some alone, --record keeps the results for docs/interop.md.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

go build -o "$work/" ./cmd/step9 ./cmd/step10 ./cmd/step11 ./interop/servers/mcpgo ./interop/servers/browser || die "a program does not build"
go build -o "$work/servers" ./interop/servers/run || die "interop/servers/run does not build"
go -C interop/servers/gosdk build -o "$work/gosdk" . || die "the Go SDK server does not build"
go -C interop/servers/zitadel build -o "$work/zitadel" . || die "zitadel's example does not build"
mkdir "$work/opener"
ln -s ../browser "$work/opener/xdg-open"

"$work/servers" --bin "$work" "$@"
