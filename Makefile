# `make` lists the targets. It needs GNU make and Python 3.11 or newer; everything else is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# pip installs uv, at a pinned version, and uv installs everything else
UV = $(BIN)/python tools/uv.py

# a relative DATASET is resolved against the folder where make was called: PWD, also with `make -C`
CALLED_FROM := $(PWD)
export CALLED_FROM

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export DO_NOT_TRACK := 1
# use .venv of this checkout, not an active virtual environment
unexport VIRTUAL_ENV
unexport PYTHONHOME

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test test-fast test-harness test-clocks test-timescaledb chaos chaos-mutants load lint docs picture e2e bench bench-long lock clean

help: ## Show this list
	@echo 'Usage: make TARGET [PYTHON=python3.12]'
	@awk -F ' ## ' '/^[a-z0-9-]+:.* ## / { split($$1, rule, ":"); printf "  %-17s %s\n", rule[1], $$2 }' Makefile

demo: install ## Watch Hunter and Tracker shards at work, without a key (DATASET=path.csv replays real counts)
	@$(BIN)/python -m demo $(if $(DATASET),--dataset "$$DATASET" --called-from "$$CALLED_FROM") $(DEMO_OPTIONS)

# The tests of a file run in one worker, since they share servers. Tests often wait, so four workers suit two cores. The
# order of the files is that of tests/support/purposes.py.
PARALLEL = -n 4 --dist=loadfile --no-loadscope-reorder

test: install ## Run the tests of the product that need no container, with branch coverage (PYTEST_OPTIONS=...)
	$(BIN)/pytest $(PARALLEL) -m "not harness" --durations=15 --cov=maia --cov=atlas --cov-branch --cov-report=term:skip-covered --cov-fail-under=90 $(PYTEST_OPTIONS)

test-fast: install ## Run the tests that need neither database nor child process, in less than a minute
	$(BIN)/pytest $(PARALLEL) -q -m "not (harness or integration or process)" tests/unit $(PYTEST_OPTIONS)

test-harness: install ## Run the tests of the harness, the demo, this Makefile and the tests' helpers
	$(BIN)/pytest $(PARALLEL) --durations=15 tests/harness $(PYTEST_OPTIONS)

test-clocks: install ## Run the tests of dates while a faked clock passes dates such as 29 February (needs faketime)
	$(BIN)/python tests/clocks/run.py $(CLOCK_OPTIONS) -- $(PARALLEL) $(PYTEST_OPTIONS)

test-timescaledb: install ## Run the tests that touch snapshots, schema, roles, retention or export, on MAIA_TEST_DATABASE_URL
	$(BIN)/pytest $(PARALLEL) --durations=15 -m timescaledb tests/integration $(PYTEST_OPTIONS)

e2e: install ## Run the container, the action and the workflows (needs a Docker engine, and act for some)
	$(BIN)/pytest tests/e2e $(PYTEST_OPTIONS)

chaos: install ## Kill running agents, servers and connections, and check that nothing was lost (CHAOS_OPTIONS=...)
	$(BIN)/python -m harness.chaos $(CHAOS_OPTIONS)

chaos-mutants: install ## Test that the checks of chaos find deliberate bugs in Maia
	$(BIN)/python -m harness.chaos.trial $(CHAOS_OPTIONS)

load: install ## Run 64 shards on one database for 10 minutes, and print a report (LOAD_OPTIONS=...)
	$(BIN)/python -m harness.load $(LOAD_OPTIONS)

SHELL_SCRIPTS = .ci/run $(shell find . -path ./$(VENV) -prune -o -name '*.sh' -print)

lint: install ## Check style, types, layers, workflows and shell scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy .github/scripts/*.py tools/*.py
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --no-progress --quiet .
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/shellcheck $(SHELL_SCRIPTS)
	@if command -v actionlint; then actionlint -shellcheck "$(BIN)/shellcheck"; else \
		echo "make: actionlint is not on PATH; .github/scripts/go-tools.sh installs it. Its checks are skipped." >&2; \
		test -z "$$CI"; fi

docs: install ## Write the reference tables of the documents from the code (DOCS_OPTIONS=--check: compare only)
	$(BIN)/python -m tools.reference $(DOCS_OPTIONS)

picture: install ## Draw docs/top.svg, the output of maia top, from the sandbox's world (PICTURE_OPTIONS=...)
	$(BIN)/python -m tools.picture $(PICTURE_OPTIONS)

bench: $(VENV)/.bench ## Measure performance against its limits, in about 12 minutes (BENCH_OPTIONS=...)
	$(BIN)/python -m harness.benchmarks $(BENCH_OPTIONS)

bench-long: install ## Measure a million updates, ten minutes of them, and what they do to the database (BENCH_OPTIONS=...)
	$(BIN)/python -m harness.benchmarks --long $(BENCH_OPTIONS)

install: $(VENV)/.installed ## Create .venv with the locked dependencies (other targets do this too)

# The package itself: again when its metadata changes.
$(VENV)/.installed: $(VENV)/.dependencies pyproject.toml
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Other products, to which one row of the benchmarks compares Maia.
$(VENV)/.bench: $(VENV)/.installed requirements-bench.txt
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements-bench.txt
	@touch $@

# The dependencies: a new environment when their versions change, so that no old package stays.
$(VENV)/.dependencies: requirements-dev.txt requirements-uv.txt tools/uv.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		found=$$($(PYTHON) --version 2>&1) || found="nothing that runs"; \
		echo "make: Python 3.11 or newer is needed, but '$(PYTHON)' is $$found." >&2; \
		echo "Install one, or name it: make $(firstword $(MAKECMDGOALS) demo) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		echo "make: '$(PYTHON)' cannot make virtual environments: its modules venv and ensurepip are missing." >&2; \
		echo "Install them (Debian, Ubuntu: apt install python$$version-venv), or name another: PYTHON=..." >&2; exit 1; }
	@echo "Installing the locked dependencies into $(VENV) (once; less than a minute) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements-dev.txt
	@touch $@

# Each lock file is resolved for every system and Python from 3.11 on; the others have the versions of requirements-dev.txt.
# Extras stay in the lock: without them an older pip looks for the newest release of what another package requires with one.
COMPILE = UV_CUSTOM_COMPILE_COMMAND='make lock' $(UV) pip compile --quiet --python $(BIN)/python \
	--universal --python-version 3.11 --generate-hashes --no-strip-extras --no-annotate --no-emit-index-url $(LOCK_OPTIONS)
BUILD_REQUIRES = import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")

lock: install ## Resolve the dependencies anew within pyproject.toml's bounds (LOCK_OPTIONS=--upgrade for newer ones)
	$(COMPILE) pyproject.toml --all-extras --group dev --output-file requirements-dev.txt
	$(COMPILE) --group bench --constraint requirements-dev.txt --output-file requirements-bench.txt
	$(COMPILE) --group install --constraint requirements-dev.txt --output-file requirements-uv.txt
	$(COMPILE) pyproject.toml --constraint requirements-dev.txt --output-file requirements.txt
	$(BIN)/python -c '$(BUILD_REQUIRES)' | $(COMPILE) - --constraint requirements-dev.txt --output-file requirements-build.txt

clean: ## Stop a demo and its PostgreSQL, and remove its data, caches and build results (not .venv)
	@if test -d .demo; then \
		if test -x $(BIN)/python; then python=$(BIN)/python; else python=$(PYTHON); fi; \
		$$python -m demo.clean .demo; fi
	@rm -rf .demo .chaos .hypothesis .coverage .coverage.* htmlcov build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	@find . -path ./$(VENV) -prune -o -path ./.git -prune -o -type d \
		\( -name __pycache__ -o -name '*.egg-info' \) -exec rm -rf {} +
