# What people run is in the README; this is what keeps it true.

GO ?= go

.PHONY: demo test tools check go-test scripts docs interop conformance

## demo: an authorization server, an MCP server and a client, all of the flow; flow.html shows it
demo:
	$(GO) run ./cmd/step11 --demo --report flow.html

## test: everything that needs Go, make, bash, curl and jq alone
test: tools check go-test scripts

tools:
	@for tool in $(GO) bash curl jq; do \
		command -v $$tool >/dev/null || { echo "make: $$tool is missing: install it and run make again" >&2; exit 1; }; \
	done

check: tools
	@unformatted=$$(gofmt -l agentgateway cmd internal interop keycloak); if [ -n "$$unformatted" ]; then echo "not formatted: $$unformatted" >&2; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# The race detector needs a C compiler.
go-test: tools
	@if [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null; then \
		set -x; $(GO) test -race ./...; \
	elif [ "$$CI" = true ]; then \
		echo "no C compiler, so no race detector: CI must have one" >&2; exit 1; \
	else \
		echo "no C compiler: testing without the race detector"; set -x; $(GO) test ./...; \
	fi

scripts: tools
	@for script in scripts/test_step*.sh; do bash $$script >script.log 2>&1 || { cat script.log; rm -f script.log; echo "$$script failed" >&2; exit 1; }; tail -n 1 script.log; done; rm -f script.log

## docs: make the generated parts of the pages anew
docs:
	$(GO) test ./internal/tutorial/pages -run TestPagesAreUpToDate -update

## interop: MCP Inspector, Chromium and servers of other SDKs, which need npm
interop:
	bash interop/inspector.sh
	bash interop/login.sh
	bash interop/browser.sh
	bash interop/servers.sh

## conformance: the official suite alone: servers, client and authorization server
conformance:
	bash interop/conformance_all.sh
