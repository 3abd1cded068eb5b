# `make up` and `make test` do everything; the rest is for those who work on Spillway.
# The distribution's Python is built with profile-guided optimisation, which saves 15 % of the CPU a
# request; many others are not. PYTHON= chooses another.
USABLE := import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(or $(shell for each in /usr/bin/python3 python3; do \
  $$each -c '$(USABLE)' 2>/dev/null && echo $$each && break; done),python3)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
# The deploy drill's tools; their Python is also the one that runs the deployed functions.
LAMBDA := import sys; sys.exit(sys.version_info[:2] != (3, 13))
LAMBDA_PYTHON ?= $(or $(shell for each in python3.13 $$HOME/.pyenv/versions/3.13.*/bin/python3; do \
  $$each -c '$(LAMBDA)' 2>/dev/null && echo $$each && break; done),python3.13)
DEPLOY_VENV ?= .venv-deploy
DEPLOY_READY := $(DEPLOY_VENV)/.installed
# The machine's own, or Debian's package unpacked where nothing else sees it.
PROMETHEUS ?= $(or $(shell command -v prometheus),$(abspath $(VENV))/prometheus/usr/bin/prometheus)
CLIENTS_VENV ?= .venv-clients
CLIENTS_READY := $(CLIENTS_VENV)/.installed
FAKETIME ?= $(or $(wildcard /usr/lib/*/faketime/libfaketime.so.1),$(abspath $(VENV))/faketime/libfaketime.so.1)
BENCH_VENV ?= .venv-bench
BENCH_READY := $(BENCH_VENV)/.installed
export PYTHONPATH := $(CURDIR)
# Another project's active environment is not this one's: functions would run in it.
unexport VIRTUAL_ENV

SOURCES := functions layers/backend/python queue_workers local loadtest pytest_spillway clients/python

.PHONY: up down status logs load capacity test check drills collapse soak simulation compatibility compose-test deploy-drill import-times parity format lock openapi bench ladder conformance console-test clients-test pictures prometheus alerts-test audit help
.DEFAULT_GOAL := help

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

up: $(READY) ## start the whole system in the background and wait until it is ready
	@$(BIN)/python -m local up

down: $(READY) ## stop everything that `make up` started
	@$(BIN)/python -m local down

status: $(READY) ## one line a process
	@$(BIN)/python -m local status

logs: $(READY) ## follow the logs
	@$(BIN)/python -m local logs --follow

load: $(READY) ## the 1k profile; PROFILE=smoke for half a minute, or RATE= and DURATION=, FAULTS=, TARGET= for another address
	@$(BIN)/python -m loadtest

capacity: $(READY) ## the highest rate that holds, messages included; TARGET= for another address, TIME_S=
	@$(BIN)/python -m loadtest capacity

test: $(READY) ## the whole test suite, on servers of its own
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ONLY)

check: $(READY) ## format, lint, types, template, unit and contract tests
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary $(SOURCES) tests
	@$(BIN)/cfn-lint template.yaml
	@$(BIN)/python -m pytest -n 2 --dist loadfile -q tests/unit tests/contract

deploy-drill: $(READY) $(DEPLOY_READY) ## the real SAM on an AWS emulator: deploy, ask, update, delete
	@$(BIN)/python -m tests.deploy --tools $(DEPLOY_VENV)/bin

parity: $(READY) $(DEPLOY_READY) ## the end-to-end suite on every target that can run here, in a table
	@$(BIN)/python -m tests.parity --tools $(DEPLOY_VENV)/bin

compatibility: $(READY) ## public projects as they are, cloned and run, and the table of docs/compatibility.md
	@$(BIN)/python -m tests.compatibility $(if $(ONLY),--only "$(ONLY)")

compose-test: $(READY) ## the system in containers: end to end, scaling, kills, down and up (needs Docker)
	@$(BIN)/python -m pytest -q -m containers tests/compose

drills: $(READY) $(if $(filter-out F12,$(DRILL)),,$(FAKETIME)) ## faults on systems of their own, a table; DRILL= one by name (F01 to F25, fairness, notifications, misbehaving)
	@PYTHONPATH=.:functions:layers/backend/python FAKETIME_LIBRARY=$(FAKETIME) \
	  $(BIN)/python -m tests.drills $(DRILL)

collapse: $(READY) ## the predecessor's faults switched on one by one, before and after; writes docs/collapse.md
	@PYTHONPATH=.:functions:layers/backend/python $(BIN)/python -m tests.collapse $(REPLAY)

soak: ## a steady load for half an hour, then memory, descriptors, keys: DURATION=1800, RATE=300
	@$(MAKE) --no-print-directory drills DRILL=F24

simulation: $(READY) ## histories full of faults; DOMAIN=analytics for its, SEEDS= how many, SEED= the first
	@PYTHONPATH=.:functions:layers/backend/python $(BIN)/python -m tests.simulation \
	  $(or $(DOMAIN),payments) --seed $(or $(SEED),1) --seeds $(or $(SEEDS),1000)

import-times: $(READY) $(DEPLOY_READY) ## what importing each function costs on Lambda, of what `sam build` makes
	@said=$$(PATH="$(abspath $(DEPLOY_VENV))/bin:$$PATH" SAM_CLI_TELEMETRY=0 sam build \
	  --build-dir .aws-sam/import-times \
	  --parameter-overrides Architecture=$(subst aarch64,arm64,$(shell uname -m)) 2>&1) \
	  || { echo "$$said" >&2; exit 1; }
	@$(BIN)/python tests/bench/imports.py .aws-sam/import-times $(DEPLOY_VENV)/bin/python

format: $(READY) ## write the format that `make check` asks for
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .

openapi: $(READY) ## write functions/api/openapi.json from the template and the schemas
	@PYTHONPATH=.:functions:layers/backend/python $(BIN)/python -m tests.contract.openapi

bench: $(READY) $(BENCH_READY) ## the same handler behind this and behind other servers, then each part's CPU
	@$(BIN)/python -m tests.bench.comparison --tools $(BENCH_VENV)/bin
	@for each in tests/bench/*.py; do $(BIN)/python $$each || exit 1; done

ladder: $(READY) ## CPU of each process a request: null handler, Chalice, Powertools, Redis, MongoDB
	@PYTHONPATH=. $(BIN)/python -m tests.bench.ladder

conformance: $(READY) ## rows of AWS behaviour: tested, differing, not emulated
	@$(BIN)/python -m tests.conformance

console-test: $(READY) ## the console's page in a real browser (needs Chromium or Chrome)
	@$(BIN)/python -m pytest -q -m browser tests/browser

pictures: $(READY) ## README's pictures, taken of a system of its own under a short load (needs Chromium or Chrome)
	@$(BIN)/python -m tests.browser.pictures docs/pictures

prometheus: $(READY) $(PROMETHEUS)

alerts-test: $(READY) $(PROMETHEUS) ## alerts and panels in Prometheus, on a system under load (needs Debian's apt)
	@PROMETHEUS=$(PROMETHEUS) $(BIN)/python -m pytest -q -m prometheus tests/e2e/test_alerts.py

clients-test: $(READY) $(CLIENTS_READY) ## Celery, Dramatiq, the AWS CLI and others, unchanged, and generators of clients (needs Node 20 and npm)
	@CLIENTS_TOOLS=$(abspath $(CLIENTS_VENV)) $(BIN)/python -m pytest -q -m clients tests/well_known_clients

audit: $(READY) ## known vulnerabilities of all that is pinned, by osv.dev; fails where nothing was looked up
	@$(BIN)/python -m tests.audit requirements.lock tests/deploy/requirements.lock \
	  tests/bench/comparison/requirements.lock tests/well_known_clients/requirements.lock

lock: ## pin and hash what requirements.in and package.json name (needs uv and npm)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --upgrade requirements.in -o requirements.lock
	uv pip compile --universal --python-version 3.13 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --upgrade \
	  tests/deploy/requirements.in -o tests/deploy/requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --upgrade \
	  tests/bench/comparison/requirements.in -o tests/bench/comparison/requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --upgrade \
	  tests/well_known_clients/requirements.in -o tests/well_known_clients/requirements.lock
	npm install --prefix tests/well_known_clients --package-lock-only --omit-lockfile-registry-resolved

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c '$(USABLE)' 2>/dev/null \
	  || { echo "Spillway needs Python 3.11 to 3.13 with its venv module; set PYTHON=" >&2; exit 2; }
	@test ! -L $(VENV) || { echo "$(VENV) is a symbolic link; set VENV= to a folder" >&2; exit 2; }
	@echo "installing into $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(abspath $(VENV))/prometheus/usr/bin/prometheus: $(READY)
	@echo "fetching Debian's Prometheus into $(VENV) (once, 19 MB)"
	@mkdir -p $(VENV)/prometheus && rm -f $(VENV)/prometheus/prometheus_*.deb
	@cd $(VENV)/prometheus && apt-get download -qq -o APT::Sandbox::User=root prometheus \
	  && dpkg-deb --extract prometheus_*.deb . \
	  || { echo "no Prometheus: run apt-get update, install one, or set PROMETHEUS=" >&2; exit 2; }
	@touch $@

# Without it every other drill runs; F12 says what it lacks.
$(abspath $(VENV))/faketime/libfaketime.so.1: $(READY)
	@echo "fetching Debian's libfaketime into $(VENV) (once, 0.1 MB)"
	@mkdir -p $(@D) && rm -f $(@D)/libfaketime_*.deb
	@cd $(@D) && apt-get download -qq -o APT::Sandbox::User=root libfaketime \
	  && dpkg-deb --extract libfaketime_*.deb . && ln -sf usr/lib/*/faketime/libfaketime.so.1 . || true
	@if test -e $@; then touch $@; fi  # the package's date is older than what it waits for

$(DEPLOY_READY): tests/deploy/requirements.lock
	@echo "installing the deploy drill's tools into $(DEPLOY_VENV) (once, about a minute)"
	@$(LAMBDA_PYTHON) -c '$(LAMBDA)' \
	  || { echo "the deploy drill needs Python 3.13, as Lambda runs it; set LAMBDA_PYTHON=" >&2; exit 2; }
	@$(LAMBDA_PYTHON) -m venv --clear $(DEPLOY_VENV)
	@$(DEPLOY_VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes \
	  -r tests/deploy/requirements.lock
	@touch $@

$(BENCH_READY): tests/bench/comparison/requirements.lock
	@echo "installing the servers to compare with into $(BENCH_VENV) (once, about a minute)"
	@$(PYTHON) -m venv --clear $(BENCH_VENV)
	@$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes \
	  -r tests/bench/comparison/requirements.lock
	@touch $@

$(CLIENTS_READY): tests/well_known_clients/requirements.lock tests/well_known_clients/package-lock.json
	@echo "installing clients of other people into $(CLIENTS_VENV) (once, about a minute)"
	@command -v npm >/dev/null || { echo "the clients' tests need Node 20 with npm" >&2; exit 2; }
	@$(PYTHON) -m venv --clear $(CLIENTS_VENV)
	@$(CLIENTS_VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes \
	  -r tests/well_known_clients/requirements.lock
	@mkdir -p $(CLIENTS_VENV)/node
	@cp tests/well_known_clients/package*.json $(CLIENTS_VENV)/node
	@npm ci --silent --prefix $(CLIENTS_VENV)/node
	@touch $@
