# Every task of this project is a target here. `make help` lists them.
#
# The two main ones: `make demo` runs the operator on a real API server, and
# `make test` runs all tests. Both build what they need on the first run.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
# Go builds in parallel by itself, and tests share the machine.
.NOTPARALLEL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

ifneq ($(words $(CURDIR)),1)
$(error The path of this checkout contains a space, which make cannot handle: $(CURDIR))
endif
# With it, `cd` in a script could go to another folder.
unexport CDPATH

BIN := $(CURDIR)/bin
# The Go modules of this repository.
MODULES := . api tools/kubernetes tools/certmanager hack/tools
# go.work is for editors and for plain go commands. Each target builds each module from
# its own go.mod.
export GOWORK := off
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# VERSION if the caller set it. Otherwise images and chart use the chart's version.
GIVEN_VERSION := $(if $(filter file,$(origin VERSION)),,$(VERSION))
GOFLAGS_BUILD := -trimpath -ldflags "-s -w -X trust-manager.io/internal/app.version=$(VERSION) -X trust-manager.io/internal/cli.version=$(VERSION)"
export CGO_ENABLED ?= 0
# The packages that decide and do no I/O.
PURE := ./internal/certs ./internal/bundle ./internal/encode ./internal/ledger ./internal/target ./internal/capackage ./internal/rotation ./internal/lint ./internal/text
comma := ,

##@ Main

.PHONY: demo
demo: $(BIN)/cluster ## Start a real API server with a first Bundle, then cert-manager and the chart, and leave it running
	@hack/demo.sh up

.PHONY: test
test: test-unit cluster-build $(BIN)/helm $(BIN)/certmanager $(BIN)/statuses ## Run all tests: first the unit tests, then those on a real API server
	@# Without the trap, a background job of a shell ignores Ctrl-C.
	@(trap - INT QUIT; exec $(MAKE) test-cluster) & cluster=$$!; failed=; $(MAKE) test-integration || failed=1; wait $$cluster || failed=1; [ -z "$$failed" ]

##@ Cluster

.PHONY: demo-down
demo-down: $(BIN)/cluster ## Stop the demo; no process and no open port is left
	@hack/demo.sh down

.PHONY: demo-times
demo-times: ## Measure each stage of the demo in an empty home (about 20 minutes; UPDATE=1 writes the table of README.md)
	@hack/demotimes.sh

.PHONY: picture
picture: ## Draw docs/picture.svg from what commands print on the running demo (needs jq)
	@hack/picture.sh

.PHONY: demo-package
demo-package: build ## Add a default CA package with one root less to the demo, as image tag TAG, to try an upgrade
	@hack/demo.sh package "$(TAG)"

.PHONY: cluster-build
cluster-build: $(BIN)/cluster ## Build Kubernetes from source into a cache folder, once (about 8 minutes on 2 cores)
	@$(BIN)/cluster build >/dev/null

.PHONY: cluster-up
cluster-up: $(BIN)/cluster ## Start a control plane; the kubeconfig is bin/kubeconfig.yaml
	@$(BIN)/cluster up --dir $(BIN)/cluster.d --kubeconfig $(BIN)/kubeconfig.yaml --apiserver-arg=--enable-aggregator-routing=true

.PHONY: cluster-down
cluster-down: demo-down ## Stop the control plane and, if it is running, the demo

##@ Tests

.PHONY: test-unit
test-unit: ## Run the tests that need only Go
	@echo "== unit tests"
	@go test ./cmd/... ./internal/... ./test/contract ./test/mutations ./test/framework/ca ./test/framework/leak ./test/framework/poll ./hack/licenses
	@go -C api test ./...
	@go -C hack/tools test ./...

.PHONY: test-cluster
test-cluster: cluster-build ## Run the tests of the cluster tool
	@echo "== tests of the cluster tool (about a minute)"
	@go -C tools/kubernetes test ./...

# The packages that take longest. They start first, so that none is left alone at the end. Three
# at once keep 2 cores busy, because tests on an API server wait for a third of their time.
LONGEST := ./test/integration ./test/faults ./test/trustbundle ./test/certmanager ./test/integration/walk
AT_ONCE ?= 3
.PHONY: test-integration
test-integration: cluster-build $(BIN)/helm $(BIN)/certmanager $(BIN)/statuses ## Run the tests that need a real API server, some of them with the real cert-manager and approver-policy (AT_ONCE (3) packages at once)
	@echo "== tests on a real API server (about 8 minutes)"
	@assets="$$($(BIN)/cluster build)"; KUBEBUILDER_ASSETS="$$assets" go test -count=1 -p "$(AT_ONCE)" -timeout 30m $(LONGEST) $$(go list ./test/... ./tools/... | grep -v -e /test/e2e -e /test/quickstart | grep -vxF "$$(go list $(LONGEST))")
	@go -C tools/certmanager test ./...

.PHONY: test-quickstart
test-quickstart: ## Run the commands of the quick start, the README, CONTRIBUTING and the pages on maintenance and ClusterBundles exactly as documented
	@echo "== the documented commands, in a copy of this checkout (about 3 minutes after make demo, otherwise 20)"
	@TEST_QUICKSTART=1 go test -v -count=1 -timeout 40m ./test/quickstart

.PHONY: e2e
e2e: $(BIN)/cluster $(BIN)/helm ## Run the tests on a real node, with real pods (needs root on Linux; about 2 minutes)
	@echo "== images for this machine"
	@ARCHITECTURES="$$(go env GOARCH)" $(MAKE) images
	@echo "== tests on a real node"
	@TEST_E2E=1 go test -v -count=1 -p 1 -timeout 20m ./test/e2e/...

SEEDS ?= 1 2 3
STEPS ?= 300
QUIET ?= 10s
.PHONY: soak
soak: cluster-build $(BIN)/helm ## Run a random walk of STEPS (300) steps, a third of them under conflicts, with QUIET (10s) after each, once for each of SEEDS (1 2 3): about 75 minutes
	@assets="$$($(BIN)/cluster build)"; KUBEBUILDER_ASSETS="$$assets" hack/soak.sh "$(STEPS)" "$(QUIET)" "$(SEEDS)"

SEED ?= 1
.PHONY: faults
faults: cluster-build $(BIN)/helm ## Inject the faults that docs/reliability.md describes: up to 40 minutes (SEED)
	@assets="$$($(BIN)/cluster build)"; KUBEBUILDER_ASSETS="$$assets" go test -v -count=1 -timeout 90m ./test/faults -run '^TestFaults$$' -long -seed "$(SEED)" -summary $(BIN)/faults.txt

CHURN ?= 30m
.PHONY: faults-memory
faults-memory: cluster-build $(BIN)/helm ## Change objects for CHURN (30m) and check that the operator's memory does not grow (SEED)
	@assets="$$($(BIN)/cluster build)"; KUBEBUILDER_ASSETS="$$assets" go test -v -count=1 -timeout 3h ./test/faults -run '^TestFaults$$' -churn "$(CHURN)" -seed "$(SEED)" -summary $(BIN)/faults-memory.txt

.PHONY: test-oldest
test-oldest: cluster-build ## Run the admission tests on the oldest supported Kubernetes (builds it once: 5 minutes)
	@hack/oldest.sh

FUZZTIME ?= 10m
FUZZ ?= .
.PHONY: fuzz
fuzz: ## Fuzz all parsers, encoders, decisions and the admission webhook, each for FUZZTIME (10m), two and a half hours in total; FUZZ=Name runs one
	@hack/fuzz.sh "$(FUZZTIME)" "$(FUZZ)"

.PHONY: fuzz-corpus
fuzz-corpus: ## Add inputs found by fuzzing to the corpus if they cover statements that the seeds do not (some minutes)
	@hack/corpus.sh "$(FUZZ)"

MUTATIONS ?= .
.PHONY: mutations
mutations: cluster-build ## Check that the tests notice defects: apply each small change in test/mutations to a copy and expect a test to fail (about 2 minutes; MUTATIONS=regexp selects by name)
	@assets="$$($(BIN)/cluster build)"; KUBEBUILDER_ASSETS="$$assets" go run ./test/mutations -run "$(MUTATIONS)"

.PHONY: cover
cover: ## Show the statement coverage of the pure packages
	@go test -cover $(PURE)

ROWS ?=
PROFILE ?=
COUNT ?= 6
SIZES ?= $(if $(BENCH_FULL),100$(comma)500$(comma)2000$(comma)5000,100$(comma)500$(comma)2000)
REPS ?= 5
JSON ?= $(BIN)/bench.json
.PHONY: bench
bench: cluster-build $(BIN)/helm ## Measure the figures of docs/performance.md relative to the API server's own limit (35 minutes; ROWS, SIZES, REPS, JSON, PROFILE, BENCH_FULL=1, BENCH_KIND=ClusterBundle)
	@go build -o $(BIN)/bench ./test/bench
	@$(BIN)/bench -rows "$(ROWS)" -sizes "$(SIZES)" -reps "$(REPS)" -json "$(JSON)" -profile "$(PROFILE)"

.PHONY: bench-tables
bench-tables: ## Write the tables of docs/performance.md from docs/performance/*.json, which `make bench JSON=docs/performance/NAME.json` writes
	@go run ./test/bench -tables docs/performance.md

.PHONY: bench-compare
bench-compare: ## Compare the results of two runs of `make bench`, OLD and NEW
	@go run ./test/bench -compare "$(OLD)" "$(NEW)"

.PHONY: bench-core
bench-core: ## Run the Go benchmarks of the pure core, COUNT (6) times, for benchstat
	@go test -run '^$$' -bench . -benchmem -count $(COUNT) $(PURE)

##@ Development

.PHONY: build-operator
build-operator: ## Build the operator and the tool for default CA packages into bin/, the first stage of the demo
	@mkdir -p $(BIN)
	@go build $(GOFLAGS_BUILD) -o $(BIN)/ ./cmd/trust-manager ./cmd/trust-package

.PHONY: build
build: ## Build the operator and the tools into bin/
	@mkdir -p $(BIN)
	@echo "== building the operator and its tools (a few minutes on the first run, seconds later)"
	@go build $(GOFLAGS_BUILD) -o $(BIN)/ ./cmd/...
	@install -m 755 cmd/kubectl-trust/kubectl_complete-trust $(BIN)/
	@go -C tools/kubernetes build $(GOFLAGS_BUILD) -o $(BIN)/cluster .

.PHONY: generate
generate: $(BIN)/controller-gen $(BIN)/applyconfiguration-gen $(BIN)/crd-ref-docs ## Regenerate the generated files
	@cd api && $(BIN)/controller-gen object crd paths=./trust/... paths=./trustmanager/... output:crd:dir=$(CURDIR)/deploy/crds
	@hack/applyconfigurations.sh
	@$(BIN)/crd-ref-docs --source-path=api --config=hack/apidocs/config.yaml --renderer=markdown --output-path=docs/reference/api.md --log-level=ERROR
	@# It links aliases of string, for which it writes no section.
	@sed -i -E 's/\[(LabelValue|Fingerprint)\]\(#[a-z]+\)/string/g' docs/reference/api.md
	@go run ./hack/flagdocs >docs/reference/flags.md
	@go run ./hack/clidocs >docs/reference/cli.md
	@go run ./test/bench -tables docs/performance.md
	@go run ./hack/licenses >$(BIN)/licenses.md && mv $(BIN)/licenses.md docs/reference/licenses.md
	@hack/chartcrd.sh
	@hack/chartpackage.sh
	@hack/chartreadme.sh

.PHONY: lint
lint: $(BIN)/golangci-lint ## Run the linters on all modules
	@for module in $(MODULES); do (cd $$module && echo "golangci-lint in $$module" && $(BIN)/golangci-lint run --config $(CURDIR)/.golangci.yml ./...); done

.PHONY: verify
verify: ## Check that generated files, formatting, dependencies and linters are clean
	@hack/verify.sh "$(MODULES)"
	@$(MAKE) lint

.PHONY: vulncheck
vulncheck: ## Check the code that the programs call for known vulnerabilities, built with the toolchain of go.mod (GOVULNDB, or the module golang.org/x/vulndb; about 3 minutes)
	@go -C hack/tools build -o $(BIN)/ golang.org/x/vuln/cmd/govulncheck
	@hack/vulncheck.sh $(BIN)/govulncheck

.PHONY: api-compat
api-compat: ## Report changes of the Go API and of the CustomResourceDefinitions that break users, since the last release tag or BASE
	@hack/apicompat.sh "$(BASE)"

.PHONY: clean
clean: demo-down ## Stop the demo and remove bin/; the cache of Kubernetes binaries is kept
	@rm -rf $(BIN)

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

##@ Release

.PHONY: release
release: ## Build all files of the release VERSION in bin/release, as RELEASE.md describes (SNAPSHOT=1 without a tag; ARCHITECTURES, PLATFORMS, SUITES)
	@hack/release.sh "$(GIVEN_VERSION)"

.PHONY: release-verify
release-verify: ## Build the release in bin/release a second time, from a clone and without a cache, and compare all files
	@hack/releaseverify.sh "$(GIVEN_VERSION)"

.PHONY: cli
cli: ## Build kubectl-trust for Linux, macOS and Windows as archives in bin/cli, with checksums and a manifest for krew (about 10 minutes on the first run)
	@hack/cli.sh "$(GIVEN_VERSION)"

.PHONY: images
images: ## Build all images as OCI archives in bin/images, for ARCHITECTURES (amd64 arm arm64 ppc64le s390x)
	@hack/images.sh "$(GIVEN_VERSION)"

.PHONY: images-verify
images-verify: ## Build all images twice and check that they are identical and contain nothing unexpected (40 minutes)
	@hack/imagesverify.sh "$(GIVEN_VERSION)"

.PHONY: chart
chart: $(BIN)/helm ## Package the chart for the images built by `make images`, as bin/charts/trust-manager-<version>.tgz
	@hack/chart.sh "$(GIVEN_VERSION)"

# Tools are rebuilt when their pinned versions change. The cluster tool builds
# quickly, so it is built whenever it is needed.
$(BIN)/controller-gen: hack/tools/go.mod
	@mkdir -p $(BIN)
	@echo "building controller-gen"
	@go -C hack/tools build -o $(BIN)/ sigs.k8s.io/controller-tools/cmd/controller-gen
	@touch $@

$(BIN)/applyconfiguration-gen: hack/tools/go.mod
	@mkdir -p $(BIN)
	@echo "building applyconfiguration-gen"
	@go -C hack/tools build -o $(BIN)/ k8s.io/code-generator/cmd/applyconfiguration-gen
	@touch $@

$(BIN)/crd-ref-docs: hack/tools/go.mod
	@mkdir -p $(BIN)
	@echo "building crd-ref-docs"
	@go -C hack/tools build -o $(BIN)/ github.com/elastic/crd-ref-docs
	@touch $@

$(BIN)/helm: hack/tools/go.mod
	@mkdir -p $(BIN)
	@echo "building helm (about 2 minutes on 2 cores, once)"
	@go -C hack/tools build -o $(BIN)/ helm.sh/helm/v4/cmd/helm
	@touch $@

$(BIN)/statuses: hack/tools/go.mod $(wildcard hack/tools/statuses/*)
	@mkdir -p $(BIN)
	@go -C hack/tools build -o $(BIN)/ ./statuses
	@touch $@

$(BIN)/golangci-lint: hack/tools/go.mod
	@mkdir -p $(BIN)
	@echo "building golangci-lint (about 3 minutes on 2 cores, once)"
	@go -C hack/tools build -o $(BIN)/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

.PHONY: $(BIN)/cluster
$(BIN)/cluster:
	@mkdir -p $(BIN)
	@go -C tools/kubernetes build $(GOFLAGS_BUILD) -o $(BIN)/cluster .

.PHONY: $(BIN)/localnode
$(BIN)/localnode:
	@mkdir -p $(BIN)
	@go build $(GOFLAGS_BUILD) -o $(BIN)/localnode ./tools/localnode/cmd/localnode

# It embeds the versions of go.mod, so it is rebuilt when they change. Without
# -trimpath it shares its compiled packages with go vet and go test.
$(BIN)/certmanager: $(shell find tools/certmanager -type f)
	@mkdir -p $(BIN)
	@echo "building cert-manager and approver-policy for the tests (about 4 minutes on 2 cores, once)"
	@go -C tools/certmanager build -ldflags "-s -w" -o $@ .
