# What people run is in the README; this is what keeps it true.

GO ?= go

.PHONY: demo test tools check go-test scripts docs fuzz mutation interop conformance bench benchstat abuse container cluster

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
	@unformatted=$$(gofmt -l agentgateway bench cmd container internal interop keycloak); if [ -n "$$unformatted" ]; then echo "not formatted: $$unformatted" >&2; exit 1; fi
	@bash scripts/fuzz.sh --check
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

## scripts: the lessons, several at a time
scripts: tools
	@bash scripts/test_all.sh

## docs: draw the pictures and make the generated parts of the pages anew
docs:
	$(GO) test ./internal/tutorial/pictures ./internal/tutorial/pages -run 'AreUpToDate$$' -update

## fuzz: every fuzz target, some ten seconds each, and with FUZZ=short an eighth of it;
##   with FUZZ=million those that compare the fast way with the plain one, a million times
fuzz:
	bash scripts/fuzz.sh

## mutation: take out each line of a layer, and each statement that decides who gets in, and see tests fail;
##   it takes an hour, and with MUTATION=sample a few minutes
mutation:
	MUTATION=$${MUTATION:-all} $(GO) test ./internal/tutorial/manifest -run '^TestEveryLineOfALayerIsMissed$$' -count=1 -timeout 3h
	MUTATION=$${MUTATION:-all} $(GO) test ./internal/tutorial/mutation -count=1 -v -timeout 3h

## abuse: every flood of docs/limits.md against real servers, recorded for the page; run make docs after it.
##   It takes six minutes, and with ABUSE=short three
abuse:
	ABUSE=$${ABUSE:-all} $(GO) test ./internal/tutorial/abuse -count=1 -v -timeout 30m

## soak: ten minutes of mixed load, recorded for docs/limits.md
soak:
	ABUSE=all SOAK=$${SOAK:-10m} $(GO) test ./internal/tutorial/abuse -run '^TestSoak$$' -count=1 -v -timeout 30m

## interop: MCP Inspector, Chromium and servers of other SDKs, which need npm
interop:
	bash interop/inspector.sh
	bash interop/login.sh
	bash interop/browser.sh
	bash interop/window.sh
	bash interop/tour.sh
	bash interop/servers.sh
	bash interop/clients.sh
	bash interop/upstream.sh --only 'Go SDK|mcp-go'
	bash interop/own_server.sh
	bash interop/streams.sh

## conformance: the official suite alone: servers, client and authorization server
conformance:
	bash interop/conformance_all.sh

## bench: the servers beside those of other libraries, recorded for docs/performance.md; run make docs after
##   it. It takes some twelve minutes on an idle machine; BENCH=-short only sees that all of it runs.
##   ORIGINAL=FOLDER of a clone of the Python original measures that too
bench:
	$(GO) run ./bench/run $(if $(ORIGINAL),-original "$(ORIGINAL)") $(BENCH)

## benchstat: the benchmarks of the layers, as recorded, beside those of the last commit
BENCHSTAT = v0.0.0-20260908200009-22c9c6c9d4da
BENCHMARKS = internal/tutorial/performance/benchmarks.txt
benchstat:
	@old=$$(mktemp); trap 'rm -f "$$old"' EXIT; git show HEAD:$(BENCHMARKS) >"$$old" && \
		$(GO) run golang.org/x/perf/cmd/benchstat@$(BENCHSTAT) old="$$old" new=$(BENCHMARKS)

## container: the compose files, loaded, and the program of the container file in an empty read-only root,
##   which needs root and builds no image
container:
	cd container && $(GO) vet ./... && $(GO) test -count=1 -v ./...

## cluster: two Keycloaks on a PostgreSQL and three step 10's behind HAProxy, of which some are killed; recorded
##   for docs/production.md, into which its table goes. It takes five minutes on an idle machine
cluster:
	bash interop/cluster.sh
