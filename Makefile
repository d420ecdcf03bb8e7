# The two that matter: `make run` (the local world, with the deployed responder in it) and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
POLICIES ?= policies
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run demo test test-long check package install clean

run: $(STAMP)
	$(BIN)/drctl run --policies $(POLICIES)

demo: $(STAMP)
	$(BIN)/drctl demo --policies $(POLICIES)

# A local world has the machine to itself; the rest goes side by side.
test: $(STAMP)
	$(BIN)/drctl setup
	$(BIN)/pytest -q -n auto --dist worksteal --ignore=tests/local
	$(BIN)/pytest -q tests/local

# Hours: a whole sweep stops a story at each of its calls. DR_SWEEP=2/5 takes the second of five parts of each sweep.
test-long: $(STAMP)
	$(BIN)/drctl setup
	$(BIN)/pytest -q -m long

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/drctl lint --quiet --policies $(POLICIES)
	$(BIN)/drctl schema --check
	$(BIN)/drctl generate --check --policies policies
	$(BIN)/drctl package --policies $(POLICIES) --stage prod --lint

package: $(STAMP)
	$(BIN)/drctl package --policies $(POLICIES) --stage prod --lint

install: $(STAMP)

$(STAMP): requirements.txt requirements-dev.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt -c constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $(STAMP)

clean:
	rm -rf $(VENV) .local out build *.egg-info .mypy_cache .ruff_cache
