# Each target makes what it needs. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := $(shell find src -type f) pyproject.toml constraints.txt README.md
.PHONY: demo offline wheelhouse test check docs bench worlds cnlpt accept-gpu clean
.DELETE_ON_ERROR:

# The environment, complete, with the built wheel installed: what a user gets is what is tested.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt --upgrade pip
	$(PIP) install --constraint constraints.txt --group test --group demo
	$(BIN)/python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; print('\n'.join(p['dependencies'] + [d for extra in p['optional-dependencies'].values() for d in extra]))" > $(VENV)/requirements.txt
	$(PIP) install --constraint constraints.txt --requirement $(VENV)/requirements.txt
	touch $@

$(VENV)/wheel: $(VENV)/installed $(SOURCES)
	rm -rf $(VENV)/dist
	$(BIN)/python -m build --wheel --outdir $(VENV)/dist . > $(VENV)/build.log
	$(PIP) install --no-deps --force-reinstall $(VENV)/dist/*.whl
	touch $@

demo: $(VENV)/wheel
	$(BIN)/cotrain demo --out runs/demo

# The demo where there is no network at all (Linux).
offline: $(VENV)/wheel
	unshare -rn $(BIN)/cotrain demo --out runs/offline

# Everything that a machine without internet needs: pip install --no-index --find-links wheelhouse
wheelhouse: $(VENV)/wheel
	rm -rf wheelhouse
	$(PIP) download --constraint constraints.txt --dest wheelhouse --requirement $(VENV)/requirements.txt --group demo
	cp $(VENV)/dist/*.whl wheelhouse

check: $(VENV)/wheel
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(BIN)/python -m pytest -n 2 --dist worksteal

worlds: $(VENV)/wheel
	$(BIN)/python -m pytest tests/worlds -m real_encoder

docs: $(VENV)/wheel
	$(BIN)/python -m pytest tests/test_docs.py tests/docs -q

# cnlp-transformers reads and trains on the folders that we read, in an environment of its own: it needs older libraries.
$(VENV)-cnlpt/installed: benchmarks/cnlpt-requirements.txt
	$(PYTHON) -m venv $(VENV)-cnlpt
	$(VENV)-cnlpt/bin/python -m pip --disable-pip-version-check --quiet install --requirement benchmarks/cnlpt-requirements.txt
	touch $@

cnlpt: $(VENV)/wheel $(VENV)-cnlpt/installed
	$(BIN)/python -m pytest tests/tasks/readers/test_cnlpt_itself.py -m cnlpt

bench: $(VENV)/wheel
	DATA=$(DATA) $(BIN)/python benchmarks/bench.py

# What a GPU should give, in about ten minutes on one.
accept-gpu: $(VENV)/wheel
	$(BIN)/python benchmarks/gpu.py

clean:
	rm -rf $(VENV) $(VENV)-cnlpt runs build dist
