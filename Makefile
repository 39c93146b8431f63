# Ops Console. `make run` starts everything; `make test` runs every test; the rest is in docs/.
# Only relative paths are used, so the checkout may lie in a folder with a space.

PORT ?= 8000
HOST ?= 127.0.0.1
PYTHON := .venv/bin/python
RUNTIME := .venv/.runtime-installed
DEVELOPMENT := .venv/.development-installed
AXE := tests/browser/node_modules/axe-core/axe.min.js
TOOLS := tests/tools/node_modules/.installed

# compiled once, not anew by each of the thousands of processes that tests start
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install run test test-ready compiled nightly bench lint lint-style lint-types lint-imports lint-templates clean test-servers
.DEFAULT_GOAL := help

help:
	@echo "make run [PORT=8000]   install, load the demo and start the console"
	@echo "make test              install and run every test"
	@echo "make nightly           install and run the tests that take minutes"
	@echo "make bench [SIZE=M]    measure against other tools (see docs/performance.md)"
	@echo "make lint              formatting, types, imports, templates"
	@echo "make install           only prepare .venv"
	@echo "make clean             remove .venv and caches (never var/, the console's state)"

install: $(RUNTIME)

run: $(RUNTIME)
	@exec $(PYTHON) manage.py up --host $(HOST) --port $(PORT)

test: test-ready
	@$(PYTHON) -m pytest -n 3 --dist loadgroup --console-db both -q $(ARGS)

# everything that tests need; `make -j` makes its parts side by side
test-ready: $(DEVELOPMENT) compiled test-servers $(AXE) $(TOOLS)

compiled: $(DEVELOPMENT)
	@$(PYTHON) -m compileall -q manage.py opsconsole lifecycle integrity tests/support

nightly: test-ready
	@$(PYTHON) -m pytest -m nightly --console-db both -q $(ARGS)

# S is a quick look (minutes, 2 GiB of disk for a while); M is what the bars are about (16 GiB), and writes its table
SIZE ?= S
ROUNDS ?= 3
bench: $(DEVELOPMENT) test-servers
	@$(PYTHON) -m tests.bench --size $(SIZE) --rounds $(ROUNDS) --only "$(ONLY)"

lint: lint-style lint-types lint-imports lint-templates

lint-style: $(DEVELOPMENT)
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .

lint-types: $(DEVELOPMENT)
	@$(PYTHON) -m mypy

lint-imports: $(DEVELOPMENT)
	@$(PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

lint-templates: $(DEVELOPMENT)
	@$(PYTHON) -m djlint templates --lint --quiet

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# the distribution's own comes first: those that version managers build here are slower by a quarter (no profile)
.venv/bin/python:
	@python=$$(for name in /usr/bin/python3.11 python3.11 python3 python3.12 python3.13; do \
	    if $$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$name; break; fi; done); \
	if [ -z "$$python" ]; then \
	    echo "No Python 3.11 or newer with the venv module was found. On Debian: apt-get install python3 python3-venv" >&2; exit 1; fi; \
	echo "Creating .venv with $$python"; $$python -m venv .venv

$(RUNTIME): requirements.txt | .venv/bin/python
	@echo "Installing what the console needs (once)"
	@$(call install_with,requirements.txt)
	@touch $@

$(DEVELOPMENT): requirements.txt requirements-dev.txt | .venv/bin/python
	@echo "Installing what tests and checks need (once)"
	@$(call install_with,requirements-dev.txt)
	@touch $(RUNTIME) $@

# uv is ten times faster where it is present and finds the packages; pip is the reference
define install_with
{ command -v uv >/dev/null 2>&1 && uv pip install --quiet --python $(PYTHON) -r $(1) 2>/dev/null; } \
    || $(PYTHON) -m pip install --quiet --disable-pip-version-check -r $(1)
endef

# axe-core finds barriers on pages; without npm the tests that read it are skipped
$(AXE): tests/browser/package.json | test-servers
	@$(call npm_install,tests/browser,axe-core)

# wrangler, drizzle-kit, prisma and dbmate judge what the console did; node comes with them, as Debian's is too old for
# some. None of their install scripts is needed.
$(TOOLS): tests/tools/package.json | test-servers
	@$(call npm_install,tests/tools,the migration tools)

define npm_install
if command -v npm >/dev/null 2>&1; then \
    (cd $(1) && npm install --no-save --no-package-lock --no-audit --no-fund --ignore-scripts --silent) && touch $@ \
        || echo "npm could not install $(2); the tests that need it will be skipped."; \
else echo "Tests that need npm ($(2)) will be skipped."; fi
endef

# TLS, amcheck, a transaction pooler, a browser and its checks for barriers come from Debian and npm; where they cannot
# be installed, the tests that need them are skipped (and fail in CI)
test-servers: | .venv/bin/python
	@missing=""; export PATH="$$PATH:/usr/sbin"; \
	for program in chromium pgbouncer npm; do command -v $$program >/dev/null 2>&1 || missing="$$missing $$program"; done; \
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$$missing postgresql"; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	    echo "Installing Debian packages for the tests:$$missing"; \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } \
	        >.venv/apt.log 2>&1 || { tail -5 .venv/apt.log; echo "The tests that need$$missing will be skipped."; }; \
	else echo "Tests that need$$missing will be skipped (not root, or no apt-get)."; fi
