# make demo: set up, measure victims, attacks and defences on embedded data, write the report
# make test: set up, run every test        make lint: formatting and static checks
# make check: lint, and the quick tests that belong to what has changed since main
# make bench: measure against peers (installs PyTorch, used for nothing else)

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
INPUTS := setup.cfg pyproject.toml constraints.txt
WORKERS ?= 2
BY_FILE := --dist loadfile --no-loadscope-reorder  # what a file sets up is shared

# Large arrays in large pages: a training step takes less on CPU (docs/performance.md).
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1

# Much of a step runs on one core, so two nets are trained at a time.
CORES := $(shell nproc 2>/dev/null || echo 1)
PROCESSES ?= $(if $(filter 1,$(CORES)),1,2)

.PHONY: demo test check lint bench clean
.DELETE_ON_ERROR:

demo: .venv/ready
	$(BIN)/python launch/main.py --config=configs/trnet.py:demo --processes=$(PROCESSES)

test: .venv/ready-test
	$(BIN)/python -m pytest -n $(WORKERS) $(BY_FILE) --durations=25 -m "not slow"
	JAXFORENSICS_TEST_OPTIMISE=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal \
	    --durations=0 -m slow

check: .venv/ready-test lint
	$(BIN)/python -m pytest -n $(WORKERS) $(BY_FILE) -m "not slow" \
	    `$(BIN)/python tests/affected.py`

lint: .venv/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: .venv/ready-bench
	@for script in startup filters jpeg spectrum metrics pipeline synthfaces robustness \
	    layers training_step game_step blur_game_step \
	    locator_step devices attacks pairing; do \
	  $(BIN)/python benchmarks/$$script.py || exit 1; done

clean:
	rm -rf .venv .venv.lock .cache build *.egg-info

# Two `make`s at once wait for each other; an interrupted set-up is done again.
define install
@touch .venv.lock
@command -v flock >/dev/null && exec 9>.venv.lock && flock 9; \
test -n "`find $@ $(INPUTS:%=-newer %) 2>/dev/null`" && exit 0; \
echo "setting up .venv ($(1))"; \
$(BIN)/python -m pip --version >/dev/null 2>&1 || \
  $(PYTHON) -m venv --clear .venv || exit 1; \
$(PIP) --editable "$(1)" --constraint constraints.txt && touch $@
endef

.venv/ready: $(INPUTS)
	$(call install,.[video])

.venv/ready-test: $(INPUTS)
	$(call install,.[test])

# By name, as a comma would end the argument of a call.
BENCH := test,bench
.venv/ready-bench: $(INPUTS)
	$(call install,.[$(BENCH)])
