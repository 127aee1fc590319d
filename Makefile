# make test is what CI runs; make help lists the rest.
.PHONY: help build test deps lint bench soak fuzz mutate clean

help:
	@echo "make build   bin/brevet and bin/brevetd"
	@echo "make test    format, vet, staticcheck, every test with the race detector"
	@echo "make bench   the speed table: ratios against references, both sides in one run"
	@echo "make soak    the long tests: 300 kills a database, 10^6 random histories"
	@echo "make fuzz    each fuzz target for FUZZTIME (default 20s)"
	@echo "make mutate  small wrong changes in package iam; fails if the tests notice less than 90 % of them"

build:
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/ ./cmd/...

test: deps lint
	@scripts/test.sh

# What tests drive that Go modules do not bring; a test whose program cannot
# be had is skipped by name, and counted.
deps:
	@scripts/deps.sh

lint:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "gofmt: $$out"; exit 1; }
	go vet ./...
	cd tools && go build -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	bin/staticcheck ./...

bench:
	go run ./bench

soak:
	BREVET_SOAK=1 go test -count=1 -p 1 -timeout 120m . ./store ./broker ./cmd/...

FUZZTIME ?= 20s
fuzz:
	@scripts/fuzz.sh $(FUZZTIME)

# scripts/mutate.sh ./PACKAGE does the same for another one.
mutate:
	@scripts/mutate.sh ./iam -min 90

clean:
	rm -rf bin
