PYTHON ?= python3
AS_OF ?= 2026-01-25
PRESET ?= demo
PORT ?= 4200
REPORTS_PORT ?= 4201
SIMULATED := demo scale tiny
SERVE_PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Without what setuptools says of every editable installation.
PIP_INSTALL := PYTHONWARNINGS="ignore:Editable installation" $(BIN)/python -m pip install --quiet \
	--disable-pip-version-check --constraint constraints.txt

export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1
export PREFECT_CLI_PROMPT := false
export PREFECT_LOGGING_EXTRA_LOGGERS := mtmd
export PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW := ignore
export GX_ANALYTICS_ENABLED := false

.DEFAULT_GOAL := help
.PHONY: run run-kuairand ablation serve up down test test-slow test-all pytest faults coverage lint audit docs clean help

run: $(READY)  ## Simulate logs up to AS_OF, retrain, and promote: the whole daily job
	$(BIN)/mtmd simulate --preset $(PRESET) --until $(AS_OF)
	$(BIN)/mtmd run --preset $(PRESET) --as-of $(AS_OF) --no-ablations

# Table 6 and more on the simulated logs: every variant, three seeds; about an hour.
ablation: $(READY)
	$(BIN)/mtmd simulate --preset $(PRESET) --until $(AS_OF)
	$(BIN)/python -m mtmd.flows.ablation --preset $(PRESET) --as-of $(AS_OF)

run-kuairand: PRESET := kuairand
run-kuairand: AS_OF := 2022-04-30
run-kuairand: $(READY)  ## The same on KuaiRand-Pure, imported from SOURCE=folder
	@test -d "$(SOURCE)" || { echo "SOURCE ($(SOURCE)) must be the folder with the KuaiRand-Pure .csv files"; exit 1; }
	$(BIN)/mtmd import-kuairand --preset $(PRESET) --source "$(SOURCE)"
	$(BIN)/mtmd run --preset $(PRESET) --as-of $(AS_OF) --no-ablations

serve: $(READY)  ## Serve the champion of PRESET over HTTP on this machine (SERVE_PORT)
	$(BIN)/mtmd serve --preset $(PRESET) --port $(SERVE_PORT)

CHOSEN = $(if $(filter file,$(origin PRESET)),,--preset $(PRESET))  # the deployments keep theirs where none is given
up: $(READY)  ## Start a Prefect server, worker, deployments and report pages (PORT, REPORTS_PORT, PRESET)
	$(BIN)/mtmd up --port $(PORT) --reports-port $(REPORTS_PORT) $(CHOSEN)

down: $(READY)  ## Stop what `make up` started; runs, schedules and artifacts stay
	$(BIN)/mtmd down

# Several processes share the cores in the tests: a second thread in each costs a third of the processor time, and
# threads that wait had better sleep.
pytest test-slow coverage faults: export OMP_NUM_THREADS := 1
pytest test-slow coverage faults: export OMP_WAIT_POLICY := PASSIVE
# A hundred processes import the same modules: they are compiled once, whatever the environment says.
pytest test-slow coverage faults: export PYTHONDONTWRITEBYTECODE :=
PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
test: lint pytest  ## Lint, types, import contracts, unit tests, and one whole tiny run

pytest: $(READY)
	$(PYTEST) -m "not slow"

# Browser, PostgreSQL, Prefect server and worker, bucket, clusters, documented commands, wheel, faults.
test-slow: $(READY)
	$(PYTEST) -m slow

test-all: test test-slow  ## The same, and what needs a browser, servers, a bucket or a cluster, or takes long

# Plant every fault of tests/faults, and fuzz with many examples.
faults: $(READY)
	MTMD_FUZZ=thorough $(BIN)/pytest tests/faults tests/fuzz --all-faults --numprocesses 2 --dist worksteal

# Every test, and which lines none of them runs; takes half as long again.
coverage: $(READY)
	$(PYTEST) --cov --cov-report=term

lint: $(READY)  ## Format check, lint, types, import contracts, SQL lint
	$(BIN)/ruff format --check mtmd flows expectations tests benchmarks
	$(BIN)/ruff check mtmd flows expectations tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --disable-progress-bar sql

# Are advisories known about the pinned versions? It needs the internet.
audit: $(READY)
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --progress-spinner off

docs: $(READY)  ## Build the site of docs/ in site/; fails on a broken link
	$(PIP_INSTALL) --editable '.[docs]'
	$(BIN)/mkdocs build --strict

clean:  ## Remove the simulated presets' logs and models, site, caches and .venv; your logs and models stay
	@test ! -x $(BIN)/mtmd || $(BIN)/mtmd down
	rm -rf $(foreach preset,$(SIMULATED),logs/$(preset) artifacts/$(preset)) site $(VENV) *.egg-info
	rm -f $(addprefix artifacts/index.,html lock)  # the list of lines: `make up` or a run writes it again
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@for place in logs/*/ artifacts/*/ .platform/; do test ! -d "$$place" || echo "kept: $$place"; done

help:
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

# The stamp is written last: a killed installation is simply done again. The first pip is an old one, which takes longer
# to choose the versions. The last line compiles, because pip would do so on one core.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python ($$($(PYTHON) --version)) must be 3.11 or newer; use make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) pip
	$(PIP_INSTALL) --no-compile --editable '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib || true
	@touch $@
