# make demo    sets up .venv and runs the main job        make test    sets up .venv and runs the tests
# make figures redraws what is stale, never trains        make data    trains what the figures need (hours)
# make explore opens the explorer in a browser            make bench   measures speed, writes JSON
# make check-gpu compares a GPU with the CPU in two minutes (without one: rehearses); make bench-gpu measures realnet on it
PYTHON ?= python3
EXTRAS ?= realnet,explore,dev
BIN    := .venv/bin
READY  := .venv/.ready

.PHONY: demo test figures explore data bench bench-gpu check-gpu lint compiled format clean
.DEFAULT_GOAL := demo

# The stamp is written last, so an interrupted installation is started again.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "two-circuits needs Python 3.11 or newer, found " + sys.version.split()[0] + ": try make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

demo: $(READY)
	$(BIN)/python -m validate run --profile quick

# Side by side: checking types and compiling take a minute each, on one core.
test: $(READY)
	@$(MAKE) --no-print-directory -j2 lint compiled
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What all tests share, or each of their processes would compile it again.
compiled: $(READY)
	$(BIN)/python -m tests.compiled

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

figures: $(READY)
	$(BIN)/python -m figures build

explore: $(READY)
	$(BIN)/python -m toymodel explore

# Finished runs are kept in runs/validate: stop it at any time, the same command goes on.
data: $(READY)
	$(BIN)/python -m validate.reference_runs grokking
	$(BIN)/python -m validate run --profile standard
	$(BIN)/python -m validate keep runs/validate/standard validate/data/standard
	$(BIN)/python -m validate run --profile quick
	$(BIN)/python -m validate keep runs/validate/quick validate/data/quick
	$(BIN)/python -m validate run --profile omnigrok
	$(BIN)/python -m validate keep runs/validate/omnigrok validate/data/omnigrok

bench: $(READY)
	$(BIN)/python -m tests.benchmarks
	$(BIN)/python -m figures readme

check-gpu: $(READY)
	$(BIN)/python -m tests.benchmarks.check_gpu

bench-gpu: $(READY)
	$(BIN)/python -m tests.benchmarks.gpu_realnet

clean:
	rm -rf .venv build dist .doit.db*
