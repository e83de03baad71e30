# What people do here often. CI is .ci/run.

.DEFAULT_GOAL := help
lint_version := $(shell sed -n 's/^golangci_lint=//p' .ci/run)
fuzztime ?= 30s

help: ## show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' Makefile | sort | while IFS="$$(printf '\t')" read -r name what; do printf '  make %-16s %s\n' "$$name" "$$what"; done

build: ## build both programs into bin/
	go build -o bin/ ./cmd/...

test: ## run all tests: servers on this machine where Postgres is installed, else in containers
	go test ./...

test-containers: ## run all tests with the servers in containers
	CONNECT_TEST_BACKEND=containers go test ./...

race: ## run all tests with the race detector
	go test -race -timeout 30m ./...

fuzz: ## fuzz the decoders (fuzztime=30s each)
	@set -e; for test in $$(grep -rhoE '^func Fuzz[A-Za-z0-9_]+' messages | cut -c6-); do \
		go test -run '^$$' -fuzz "^$$test$$" -fuzztime $(fuzztime) ./messages; done

chaos: ## attack a system on this machine for a quarter of an hour
	go run ./deploy/chaos --duration 15m

chaos-defects: ## see that every planted defect is caught, half an hour or more
	go run ./deploy/chaos --quiet --duration 1m --defects all

bench: ## compare the worker with the floor and with other designs, a quarter of an hour
	cd deploy/bench && go run .

lint: ## run golangci-lint as CI does
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(lint_version) run ./...

demo: ## run the whole system once, with demo commands
	go run ./cmd/connectctl demo

dev: ## run the whole system until interrupted
	go run ./cmd/connectctl dev

ci: ## run what CI runs
	bash .ci/run

.PHONY: help build test test-containers race fuzz chaos chaos-defects bench lint demo dev ci
