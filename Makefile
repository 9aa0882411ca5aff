# What people type. Everything is set up on the way, in .venv (PYTHON chooses the interpreter, VENV the folder).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SECONDS ?=
TESTS ?= tests
PEERS ?=
ROWS ?=
PARALLEL ?= 4
# tests start hundreds of processes: each finds barq compiled, also where the environment says that nothing is kept
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test chaos mutants check format bench bench-scale bench-peers bench-http bench-viewers clean

demo: $(READY)  ## the main job on the bundled server, to watch
	@$(BIN)/barq demo $(if $(SECONDS),--seconds $(SECONDS))

test: $(READY)  ## all tests
	$(BIN)/python -m pytest $(TESTS) -n $(PARALLEL) --dist loadgroup -q

chaos: $(READY)  ## jobs of all kinds under faults of all kinds: SEED, SECONDS, FAULTS=kill,reset, JOBS, SOAK (minutes), OVERLOAD (jobs)
	@$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(FAULTS),--faults $(FAULTS)) $(if $(JOBS),--jobs $(JOBS)) $(if $(SOAK),--soak $(SOAK)) \
		$(if $(OVERLOAD),--overload $(OVERLOAD))

mutants: $(READY)  ## bugs planted in a copy of barq, which the model test or a chaos run has to find
	@$(BIN)/python -m tests.faults.mutants

check: $(READY)  ## lint, types, import rules, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/generate_sync.py --check
	$(BIN)/python tools/generate_state_machine.py --check

format: $(READY)  ## mend what can be mended, and write generated files anew
	$(BIN)/python tools/generate_sync.py
	$(BIN)/python tools/generate_state_machine.py
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## how fast it is on this machine
	$(BIN)/python -m benchmarks

bench-scale: $(READY)  ## beside millions of jobs, 10,000 waiters, 100,000 types: ROWS="load promote" for some of them
	$(BIN)/python -m benchmarks.scale $(ROWS)

bench-peers: $(READY)  ## barq beside other queues, about 20 minutes; PEERS="dramatiq bee-queue" for some of them
	@$(BIN)/python -m benchmarks.peers $(PEERS)

bench-http: $(READY)  ## requests a second of the example services, beside the same in Express where node is
	@$(BIN)/python -m benchmarks.http

bench-viewers: $(READY)  ## what a hundred viewers of the dashboard cost
	@$(BIN)/python -m benchmarks.viewers

$(READY): pyproject.toml
	@echo "setting up $(VENV) (once)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet --editable '.[all]' --group test
	@touch $(READY)

clean:
	rm -rf .venv* .peers build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
