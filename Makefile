# One command each. `make` lists them; CONTRIBUTING.md says when to use which.

GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
# How long each fuzz target runs.
FUZZTIME    ?= 10m
# How many simulated worlds `make sim` runs, and which is the first.
SEEDS       ?= 10000
FROM        ?= 1
# Arguments of the programs that `make demo` and `make bench` run: make demo ARGS='--listen :8081'
ARGS        ?=

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X github.com/ringway/ringway/cli.version=$(VERSION)
# Everything but the policy, which reads source and has no data to race for.
RACED    = $(shell $(GO) list ./... | grep -v '/arch$$')

.DEFAULT_GOAL := help
.PHONY: help build demo test check gofmt vet staticcheck arch race cgo generate bench fuzz sim soak e2e clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' Makefile

build: ## Build bin/ringway, one static program.
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/ringway ./cmd/ringway

demo: build ## Run the gateway with origins of its own, and print what to curl.
	@exec bin/ringway demo $(ARGS)

test: ## Run all tests; needs nothing but Go. Those that need another program skip without it.
	CGO_ENABLED=0 $(GO) test -count=1 -timeout 20m ./...

check: gofmt vet staticcheck arch race ## Run all that a change must pass: format, vet, staticcheck, policy and generated files, tests with -race.

gofmt:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not formatted (gofmt -w):"; echo "$$unformatted"; exit 1; }

vet:
	$(GO) vet ./...

staticcheck:
	$(GO) run $(STATICCHECK) ./...

arch: ## Check the policy (imports, names, sizes) and that generated files are what their generators write.
	$(GO) test -count=1 ./arch

race: cgo ## Run the tests with the race detector, which needs a C compiler.
	@echo "$(GO) test -race -count=1, all but the policy"
	@$(GO) test -race -count=1 -timeout 20m $(RACED)

cgo:
	@if [ "$$(CGO_ENABLED=1 $(GO) env CGO_ENABLED)" != 1 ] || ! command -v $$($(GO) env CC) >/dev/null; then \
		echo "The race detector needs cgo, and so a C compiler ($$($(GO) env CC)), which is not here: install gcc, or run make test."; exit 1; fi

generate: ## Write the generated files anew.
	$(GO) generate ./...

bench: ## Compare CPU with nginx, HAProxy and others, side by side, and print the tables; SUITE=gateway needs wrk, SUITE=runtime nothing, SUITE=handover counts what clients notice of reloads and upgrades.
ifeq ($(SUITE),handover)
	$(GO) run ./bench/handover $(ARGS)
else
	$(GO) run ./bench $(if $(SUITE),-suite $(SUITE)) $(ARGS)
endif

sim: ## Run the whole gateway in SEEDS (10000) simulated worlds, from FROM on; make sim SEED=7 replays one, with its trace.
ifdef SEED
	$(GO) test -count=1 -v -run 'TestSeeds$$' ./test/simtest -args -seed $(SEED)
else
	$(GO) test -count=1 -v -run 'TestSeeds$$|TestHandOvers$$' -timeout 2h ./test/simtest -args -seeds $(SEEDS) -from $(FROM)
endif

fuzz: ## Run each fuzz target for FUZZTIME (10m).
	@GO='$(GO)' .ci/fuzz $(FUZZTIME)

soak: ## Upgrade the program 20 times and reload 200 times in a minute of load, on each driver, and fail if a client notices.
	RINGWAY_SOAK=1 $(GO) test -count=1 -v -timeout 15m -run 'TestSoak$$' ./test

e2e: ## Run the end-to-end tests, and fail where a tool or io_uring is missing instead of skipping.
	CI_REQUIRE_TOOLS=1 CI_REQUIRE_URING=1 $(GO) test -count=1 -v ./test/...

clean: ## Remove what was built.
	rm -rf bin
