# `make demo` cleans a real corpus; `make test` runs every test that this machine can run. Both set everything up first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/datajob
UV := $(or $(shell command -v uv),$(CACHE)/uv/bin/uv)
EXTRAS := --extra controller --extra workload --extra text --extra image --extra dev $(if $(wildcard .venv/.models),--extra llava)
RUN := .venv/bin
UNIT := not slow and not ray and not s3 and not browser and not root and not control_plane and not e2e

export UV_PYTHON_DOWNLOADS = never
export PATH := $(PATH):$(CACHE)/uv/bin

-include hack/cluster/cluster.mk

.PHONY: help setup setup-models demo test test-unit test-rest test-models test-vllm e2e e2e-models lint format generate bench bench-llava

help: ## This list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | sed 's/:.*## /\t/' | expand -t 18

setup: .venv/.ready ## A locked environment in .venv

.venv/.ready: pyproject.toml uv.lock
	@test -x "$(UV)" || (echo "fetching uv"; $(PYTHON) -m pip install --quiet --disable-pip-version-check --target "$(CACHE)/uv" uv)
	"$(UV)" sync --frozen --quiet --compile-bytecode --python $(PYTHON) $(EXTRAS)
	@echo "compiling the text kernels (once)"; $(RUN)/python -c "from datajob.operators.kernels.__main__ import compile_all; compile_all()"
	@touch $@

demo: setup ## Clean a real multilingual corpus and leave a report in out/demo
	$(RUN)/datajob run manifests/samples/clean-docs.yaml --fresh --set spec.sink.parquet.path=out/demo --set spec.sink.parquet.mode=overwrite --set spec.rejects.path=out/demo-rejects
	@echo "The report is a page: out/demo/_datajob/report.html"

test: test-unit test-rest test-models e2e ## Every test that this machine can run

test-unit: setup ## The quick tests: no Ray, no servers
	$(RUN)/python -m pytest -q -m "$(UNIT)"

test-rest: setup ## The slow ones: Ray, S3, browser, API server; what is left out is said with its reason
	$(RUN)/python -m pytest -q -m "not ($(UNIT)) and not e2e"

test-models: setup-models ## Inference, with tiny models that the tests make
	$(RUN)/python -m pytest -q tests/operators/inference tests/samples/test_captions.py

test-vllm: .venv-vllm/.ready ## The engine vLLM on the CPU, in an environment of its own (6 GB)
	.venv-vllm/bin/python -m pytest -q tests/operators/inference/test_vllm.py

# In an environment of its own: vLLM names one version of torch, transformers and numba. The locked packages of the image.
.venv-vllm/.ready: pyproject.toml uv.lock workloads/requirements.sh | .venv/.ready
	"$(UV)" venv --quiet --clear --python $(PYTHON) .venv-vllm
	sh workloads/requirements.sh cpu vllm "" "" .venv-vllm/locked
	"$(UV)" pip install --quiet --no-deps --python .venv-vllm/bin/python -r .venv-vllm/locked/requirements.txt
	"$(UV)" pip install --quiet --python .venv-vllm/bin/python pytest pytest-timeout
	@touch $@

e2e: setup ## DataJobs on a whole node with KubeRay (root or kind; builds Kubernetes the first time)
	$(RUN)/python -m pytest -q -m "e2e and not large"

e2e-models: setup-models ## Captions on a node by the image with torch (needs 35 GB of disk)
	$(RUN)/python -m pytest -q -m large

setup-models: .venv/.models ## torch and transformers in .venv as well (5 GB)

.venv/.models: .venv/.ready
	"$(UV)" sync --frozen --quiet --python $(PYTHON) $(EXTRAS) --extra llava
	@touch $@

lint: setup ## Style, types, direction of imports, generated files
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	$(RUN)/python -m datajob.api.generate --check
	$(RUN)/python -m datajob_controller.datajob.monitoring --check

format: setup ## Rewrite the sources in the project's format
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

generate: setup ## CRD, editors' schema and reference pages from the models
	$(RUN)/python -m datajob.api.generate
	$(RUN)/python -m datajob_controller.datajob.monitoring

bench-llava: setup-models ## The figures of inference
	$(RUN)/python -m benchmarks.llava
	$(RUN)/python -m benchmarks.llava_answers

bench: setup ## Every figure of the README, measured here and now
	$(RUN)/python -m benchmarks
