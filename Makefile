# `make demo` and `make test` each set up what they need. Nothing here needs root.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup lock demo browser test check format clean
help:
	@echo "make demo    one full round on built-in data, to its verdict (about five minutes)"
	@echo "make test    the tests"
	@echo "make browser Chromium for the tests of review sessions, where apt is there"
	@echo "make check   format, lint, types, import rules, generated docs"
	@echo "make setup   .venv with curate in it"
	@echo "make lock    resolve the dependencies again"

setup: .venv/ready

# uv reads no pip configuration, so a mirror that pip is told of is handed on.
.venv/ready: requirements.lock pyproject.toml
	@echo "setting up .venv (several GB of torch and FiftyOne on the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@index="$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || true)"; \
	 index="$${PIP_INDEX_URL:-$$index}"; \
	 $${index:+env UV_DEFAULT_INDEX="$$index"} $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --offline -e .
	@touch $@

lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade \
	  --extra dev pyproject.toml -o requirements.lock

demo: setup
	$(BIN)/curate demo demo

# For the tests of review sessions; without it they are skipped, and say so.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
	  || { command -v apt-get >/dev/null && test "$$(id -u)" = 0 && apt-get install --yes --no-install-recommends chromium; } \
	  || echo "no Chromium here: tests in a browser are skipped"

# A file's tests stay together, and each of the two workers computes on one core.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
