# `make` alone lists the targets. Every target first installs what this machine lacks (dev/bootstrap).
#
#   PYTHON   the interpreter to use, as PYTHON=python3.13; each has its own virtual environment
#   JOBS     how many tests run side by side; they wait much, so twice as many as the machine has cores
#   ARGS     more options for pytest, as ARGS='-k outbox -x'
#   FUZZ_RUNS  how many inputs each target of `make fuzz` gets
#   PREVIOUS_RELEASE  the revision from which `make soak` upgrades; otherwise the newest tag, or HEAD's parent
#   KEEP     KEEP=1 keeps the demo running
#   AMQP_URL, DATABASE_URL, AUTOCERT_CA   servers to use instead of private ones

PYTHON ?= python3
JOBS ?= 4
KEEP ?=
ARGS ?=
FUZZ_RUNS ?= 50000

VENV := $(if $(filter python3,$(PYTHON)),.venv,.venv-$(patsubst python%,%,$(subst /,-,$(patsubst /%,%,$(PYTHON)))))
BIN := $(VENV)/bin
BOOTSTRAP := PYTHON=$(PYTHON) VENV=$(VENV) dev/bootstrap
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --quiet \
	--custom-compile-command 'make requirements'

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## issue and serve certificates on private servers, in one terminal; KEEP=1 keeps them running
	@$(BOOTSTRAP) demo
	@$(BIN)/python -m dev.demo $(if $(KEEP),--keep)

.PHONY: test
test: ## run all tests, on real servers
	@$(BOOTSTRAP) test
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder -m 'not soak' $(ARGS)

.PHONY: test-unit
test-unit: ## run the tests that need no server, in seconds; properties with fewer examples
	@$(BOOTSTRAP) test
	@$(BIN)/python -m pytest --numprocesses 2 --hypothesis-profile quick $(ARGS) tests/unit

.PHONY: lint
lint: ## check style, types, imports and generated files
	@$(BOOTSTRAP) lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	dev/check-hosts
	$(BIN)/python -m dev.asyncapi | diff docs/asyncapi.yaml - || { echo 'run `make docs`' >&2; exit 1; }

.PHONY: format
format: ## fix formatting, and what ruff can fix by itself
	@$(BOOTSTRAP) lint
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: docs
docs: ## generate docs/asyncapi.yaml, docs/schemas and the diagram in docs/issuance.md
	@$(BOOTSTRAP) lint
	$(BIN)/python -m dev.asyncapi docs
	$(BIN)/python -m dev.order_states docs

.PHONY: bench
bench: ## run the benchmarks, and write bench/results.json
	@$(BOOTSTRAP) test
	@$(BIN)/python -m bench

.PHONY: soak
soak: fuzz ## run the tests that take many minutes, fuzzing too
	@$(BOOTSTRAP) test
	@$(BIN)/python -m pytest -m soak --timeout 7200 $(ARGS)

.PHONY: fuzz
fuzz: ## fuzz PEM scanner, key loader and judgement, FUZZ_RUNS inputs each
	@$(BOOTSTRAP) lint
	@for target in scanner key_loader whole_judge; do \
		$(BIN)/python -m tests.fuzz $$target -runs=$(FUZZ_RUNS) || exit 1; done

.PHONY: requirements
requirements: ## pin the newest dependencies that pyproject.toml allows
	@$(BOOTSTRAP) lint
	$(BIN)/$(COMPILE) --upgrade pyproject.toml --output-file requirements.txt
	$(BIN)/$(COMPILE) --upgrade pyproject.toml --group dev --output-file requirements-dev.txt
	echo 'hatchling>=1.27' | $(BIN)/$(COMPILE) --upgrade - --output-file deploy/requirements-build.txt

.PHONY: clean
clean: ## remove everything that is not source
	rm -rf .venv .venv-* .run .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
