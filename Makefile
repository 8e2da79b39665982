# make demo       environment, synthetic data, short training, evaluation and report: minutes on two CPU cores
# make test       environment and the full test suite
# make check      lint, formatting, types, import contracts
# make coverage   the test suite with coverage; fails below 90 % of lines
# make mutations  break one line at a time and see whether the tests notice: an hour on two cores
# make gpu-check  the tests that need a GPU, and the speed of the network on it
# make torture    read randomly damaged files of every format, and kill runs, for an hour; resumes where it was interrupted
# make setup      environment only, in .venv, from pinned constraints
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: setup demo test coverage gpu-check check torture mutations

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "error: Python 3.11 or newer is required; choose one with PYTHON=…")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	rm -rf logs/demo
	$(BIN)/python train.py hydra.run.dir=logs/demo
	$(BIN)/python eval.py ckpt_path=logs/demo/checkpoints/best.ckpt hydra.run.dir=logs/demo/eval
	$(BIN)/mmn report logs/demo

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal  # two workers of one thread each

coverage: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal --cov --cov-report term-missing

gpu-check: setup
	$(BIN)/python -m pytest -q -m gpu
	$(BIN)/python benchmarks/network.py --device cuda --quick

mutations: setup
	$(BIN)/python tests/mutations/run.py --jobs 2

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

torture: setup
	OMP_NUM_THREADS=1 $(BIN)/python tests/faults/torture.py --minutes 60
