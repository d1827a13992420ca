# Duckling. `make help` lists what there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Pinned tools, built from source into .bin/.
BUF_VERSION := v1.75.0
PROTOC_GEN_GO_VERSION := v1.36.11
GOLANGCI_VERSION := v2.15.0
VERSITYGW_VERSION := v1.8.0

BIN := bin
TOOLS := $(CURDIR)/.bin
MODULES = $(shell go list -m -f '{{.Dir}}')
SERVICES := ingest loader gateway standalone
SDK := sdk/typescript
BENCHES = $(filter-out internal,$(notdir $(patsubst %/,%,$(dir $(wildcard bench/*/main.go)))))

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X github.com/chittihq/duckling/pkg/daemon.Version=$(VERSION)

export DUCKLING_BIN := $(CURDIR)/$(BIN)

##@ Everyday

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build testdb ## Run everything on a generated shop. DEMO_SECONDS=n ends it by itself.
	@go build -o $(BIN)/ ./demo
	@exec $(BIN)/demo

.PHONY: up
up: ## Build the images and start the stack with Docker Compose.
	@[ -n "$$DUCKLING_API_KEY" ] || grep -qs '^DUCKLING_API_KEY=.' .env || { echo "set DUCKLING_API_KEY, here or in .env: clients must present it"; exit 1; }
	DUCKLING_VERSION=$(VERSION) docker compose up --build

.PHONY: down
down: ## Stop the stack; its volumes stay.
	docker compose down

.PHONY: build
build: ## Build the binaries into bin/.
	@mkdir -p $(BIN)
	@for s in $(SERVICES); do go build -ldflags '$(LDFLAGS)' -o $(BIN)/ ./services/$$s; done
	@mv -f $(BIN)/standalone $(BIN)/duckling-server
	@cd pkg && go build -o $(CURDIR)/$(BIN)/ github.com/nats-io/nats-server/v2

.PHONY: testdb
testdb: ## Get MySQL 9.7, MariaDB 10.11, Redis, Chromium, Python and mkfs.xfs for tests and the demo, beside the host's own.
	@scripts/testdb.sh install all

##@ Checks

.PHONY: s3server
s3server: $(TOOLS)/versitygw-$(VERSITYGW_VERSION) ## Build the S3 server that the tests of backups use.

.PHONY: test
test: build testdb s3server test-sdk test-go ## Run every test on real servers.

.PHONY: test-go
test-go: examples/node_modules
	go test -timeout 20m -p 1 work

.PHONY: test-sdk
test-sdk: $(SDK)/node_modules $(SDK)/test/nodes/node_modules
	cd $(SDK) && npm run lint && npm test

RUNS ?= 10
.PHONY: soak
soak: build testdb ## Run the random fault tests RUNS times, each with a new seed.
	go test -timeout 10h -p 1 -count $(RUNS) -failfast -run 'Random|Crashes|Killed' ./services/ingest/... ./services/loader/... ./services/e2e

.PHONY: bench
bench: build testdb ## Run the benchmarks one after the other and rewrite bench/results/.
	@for b in $(BENCHES); do (cd bench && go run ./$$b); done
	@cd bench && go run ./ingest -giant 5000000

.PHONY: lint
lint: $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION) ## Lint every module, and check the import rules.
	@for m in $(MODULES); do echo "lint $$m"; (cd $$m && $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION) run --config $(CURDIR)/.golangci.yml ./...); done
	@scripts/check-files.sh

.PHONY: fmt
fmt: ## Format the Go code.
	@gofmt -w $(MODULES)

.PHONY: gen
gen: $(TOOLS)/buf-$(BUF_VERSION) $(TOOLS)/protoc-gen-go ## Regenerate code from schemas/, and docs/protocol.md.
	cd schemas && $(TOOLS)/buf-$(BUF_VERSION) generate
	cd schemas && go run ./ws/reference

.PHONY: schema-check
schema-check: gen ## Lint the schemas, look for breaking changes and for drift of the generated code.
	cd schemas && $(TOOLS)/buf-$(BUF_VERSION) lint
	cd schemas && $(TOOLS)/buf-$(BUF_VERSION) format --diff --exit-code
	scripts/schema-breaking.sh $(TOOLS)/buf-$(BUF_VERSION)
	git diff --exit-code -- schemas docs/protocol.md

.PHONY: ci
ci: ## What CI runs.
	@scripts/ci.sh

.PHONY: tidy
tidy: ## Tidy every module.
	@for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy); done

.PHONY: clean
clean: ## Remove what builds left.
	rm -rf $(BIN) .bin $(SDK)/node_modules $(SDK)/test/nodes/node_modules $(SDK)/dist $(SDK)/dist-test examples/node_modules examples/generated

$(TOOLS)/buf-$(BUF_VERSION):
	@mkdir -p $(TOOLS)
	GOWORK=off GOBIN=$(TOOLS) go install github.com/bufbuild/buf/cmd/buf@$(BUF_VERSION)
	@mv $(TOOLS)/buf $@

$(TOOLS)/protoc-gen-go:
	@mkdir -p $(TOOLS)
	GOWORK=off GOBIN=$(TOOLS) go install google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_GO_VERSION)

$(TOOLS)/golangci-lint-$(GOLANGCI_VERSION):
	@mkdir -p $(TOOLS)
	GOWORK=off GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(TOOLS)/golangci-lint $@

$(TOOLS)/versitygw-$(VERSITYGW_VERSION):
	@mkdir -p $(TOOLS)
	GOWORK=off GOBIN=$(TOOLS) go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION)
	@mv $(TOOLS)/versitygw $@

# The examples use the built client, as its users do.
examples/node_modules: examples/package-lock.json $(SDK)/node_modules $(wildcard $(SDK)/src/*.ts)
	cd $(SDK) && npm run build
	cd examples && npm ci
	@touch $@

$(SDK)/node_modules: $(SDK)/package-lock.json
	cd $(SDK) && npm ci
	@touch $@

# Node 18 and 22, on which the packed client is tried.
$(SDK)/test/nodes/node_modules: $(SDK)/test/nodes/package-lock.json
	cd $(SDK)/test/nodes && npm ci
	@touch $@
