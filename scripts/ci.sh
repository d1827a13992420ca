#!/usr/bin/env bash
# Everything a change must pass, in the order that fails soonest. Needs Go, gcc, Node and make;
# gets the rest itself and talks to loopback only.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }

step format
unformatted=$(gofmt -l $(go list -m -f '{{.Dir}}'))
[ -z "$unformatted" ] || { echo "run 'make fmt' on:"; echo "$unformatted"; exit 1; }

step "build and vet, workspace"
go build work
go vet work

step "build, each module by itself"
for module in $(go list -m -f '{{.Dir}}'); do
  (cd "$module" && GOWORK=off go build ./... && GOWORK=off go mod tidy -diff)
done

step schemas
make --no-print-directory schema-check

step lint
make --no-print-directory lint

# One seed, so that a change fails by its own fault; `make soak` looks for others.
export DUCKLING_TEST_SEED=${DUCKLING_TEST_SEED:-1}
step tests
make --no-print-directory test

step "demo, 20 seconds on a small shop"
DEMO_SECONDS=20 DEMO_SCALE=0.02 make --no-print-directory demo

step done
