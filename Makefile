# Every target installs what it needs: Debian packages (as root or through sudo), a virtual environment
# in .venv, and a laboratory Asterisk outside the checkout. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := espeak-ng flite mmdebstrap postgresql sip-tester strace

# What comes with the tests but only prove and bench need in full.
TOPIC ?=
ARGS ?=
EVENTS ?= 1000000

.PHONY: help
help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: packages
packages: $(VENV)/.packages

$(VENV)/.packages: Makefile
	@tools/packages $(PACKAGES)
	@mkdir -p $(VENV) && touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.packages
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing callguard and its tools into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[age,fast,grpc,postgres,s3,speech]' --group dev >&2
	@touch $@

.PHONY: install
install: $(VENV)/.installed  ## Prepare the virtual environment and the packages it needs

.PHONY: demo
demo: install  ## Place real calls on a laboratory PBX, one for each outcome (ARGS=--json, ARGS=--keep)
	@$(BIN)/callguard demo $(ARGS)

.PHONY: run
run: install  ## Run callguard in the foreground (ARGS="-c config.yaml")
	@$(BIN)/callguard run $(ARGS)

.PHONY: lint
lint: install  ## Style, types, and the arrows of the house
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: test
test: lint  ## Everything that has to be true before a change lands
	@$(BIN)/pytest -q -m "not slow" --numprocesses 2 $(ARGS) tests/unit tests/property
	@$(BIN)/pytest -q -m "not slow" --numprocesses 3 --dist loadfile $(ARGS) tests/live
	@CALLGUARD_LAB_ASTERISK=16 $(BIN)/pytest -q -m "oldest and not slow" --numprocesses 4 --dist loadfile $(ARGS) tests/live

.PHONY: live-oldest
live-oldest: install  ## All the live tests on Asterisk 16, the oldest that it works with
	@CALLGUARD_LAB_ASTERISK=16 $(BIN)/pytest -q -m "not slow" --numprocesses 3 --dist loadfile $(ARGS) tests/live

.PHONY: invariants
invariants: install  ## A million random events through the core (EVENTS=n)
	@CALLGUARD_CORE_EVENTS=$(EVENTS) $(BIN)/pytest -q -s --timeout 3600 tests/property/test_core.py

.PHONY: prove
prove: install  ## The slower evidence on the laboratory PBX (TOPIC=call; without a topic: the list)
	@$(BIN)/python -m tests.prove $(TOPIC) $(ARGS)

.PHONY: chaos
chaos: install  ## A quarter of an hour of random faults while twenty callers a second arrive
	@CALLGUARD_PARTS=chaos $(BIN)/python -m tests.prove parties $(ARGS)

.PHONY: bench
bench: install  ## Speed, as ratios against other ways in the same run
	@$(BIN)/python -m tests.bench $(ARGS)

.PHONY: clean
clean:  ## Remove what the targets above made in this checkout
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
