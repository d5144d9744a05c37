# `make demo` cleans a real corpus, `make test` runs every test that this machine supports. Both set up the environment first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/datajob
UV := $(or $(shell command -v uv),$(CACHE)/uv/bin/uv)
EXTRAS := --extra controller --extra workload --extra text --extra image --extra ocr --extra audio --extra video --extra lake --extra lance --extra serve --extra dev $(if $(wildcard .venv/.models),--extra llava)
RUN := .venv/bin
# Tests in as many processes as there are cores, up to 8.
PARALLEL := -n logical --maxprocesses 8 --dist worksteal
REST = not ($(UNIT)) and not e2e and not spark
UNIT := not slow and not ray and not s3 and not browser and not root and not control_plane and not e2e and not spark

export UV_PYTHON_DOWNLOADS = never
# Benchmarks create environments with uv.
export PATH := $(PATH):$(CACHE)/uv/bin
# Otherwise, each of many processes would compile the modules of the project and of the tests.
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(PATH):$(CACHE)/uv/bin

-include hack/cluster/cluster.mk

.PHONY: fuzz help setup setup-models demo test test-unit test-rest test-clusters test-engine test-models test-spark test-vllm e2e e2e-models e2e-service lint format generate bench bench-llava bench-serving bench-serving-model bench-serving-vllm bench-streaming bench-photos bench-images bench-audio bench-video bench-tables bench-tokens bench-warc bench-gpu bench-endpoint

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | sed 's/:.*## /\t/' | expand -t 17

setup: .venv/.ready ## Install the locked dependencies into .venv

.venv/.ready: pyproject.toml uv.lock
	@test -x "$(UV)" || (echo "installing uv"; $(PYTHON) -m pip install --quiet --disable-pip-version-check --target "$(CACHE)/uv" uv)
	"$(UV)" sync --frozen --quiet --compile-bytecode --python $(PYTHON) $(EXTRAS)
	@echo "compiling the text kernels (first time only)"; $(RUN)/python -c "from datajob.operators.kernels.__main__ import compile_all; compile_all()"
	@touch $@

demo: setup ## Clean a multilingual corpus and write a report to out/demo
	$(RUN)/datajob run manifests/samples/clean-docs.yaml --fresh --set spec.sink.parquet.path=out/demo --set spec.sink.parquet.mode=overwrite --set spec.rejects.path=out/demo-rejects
	@echo "Open the report in a browser: out/demo/_datajob/report.html"

test: test-unit test-rest test-models test-spark e2e ## Run every test that this machine supports

test-unit: setup ## Run the fast tests: no Ray, no servers
	$(RUN)/python -m pytest -q $(PARALLEL) -m "$(UNIT)"

test-rest: setup ## Run the tests with Ray, S3, a browser and an API server; list the skipped ones with the reason
	@$(MAKE) --no-print-directory -j2 --output-sync=target test-clusters test-engine

test-clusters: setup
	$(RUN)/python -m pytest -q -m "$(REST) and clusters"

test-engine: setup
	$(RUN)/python -m pytest -q -m "$(REST) and not clusters"

FUZZ_SECONDS ?= 600

fuzz: setup ## Random tables and damaged files for FUZZ_SECONDS (600), checked against Python, pyarrow and DuckDB
	$(RUN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

test-models: setup-models ## Run the tests of models, with tiny models created by the tests
	$(RUN)/python -m pytest -q tests/operators/inference tests/serving/test_models.py tests/samples/test_captions.py tests/samples/test_image_text.py tests/samples/test_transcripts.py tests/samples/test_video.py \
	  tests/samples/test_transcripts.py

test-vllm: .venv-vllm/.ready ## Run the tests of vLLM on the CPU in a separate environment (6 GB)
	PYTHONPATH=workloads .venv-vllm/bin/python -m pytest -q tests/operators/inference/test_vllm.py tests/operators/inference/test_vllm_serving.py tests/operators/inference/test_vllm_failures.py

# A separate environment, because vLLM pins torch, transformers and numba. Contains the locked packages of the image.
.venv-vllm/.ready: pyproject.toml uv.lock workloads/requirements.sh | .venv/.ready
	"$(UV)" venv --quiet --clear --python $(PYTHON) .venv-vllm
	sh workloads/requirements.sh cpu vllm "" "" .venv-vllm/locked
	"$(UV)" pip install --quiet --no-deps --python .venv-vllm/bin/python -r .venv-vllm/locked/requirements.txt
	"$(UV)" pip install --quiet --python .venv-vllm/bin/python pytest pytest-timeout hypothesis
	@touch $@

test-spark: setup ## Exchange files with Spark in a separate environment (needs Java; the first time, downloads 520 MB)
	@if java -version >/dev/null 2>&1; then $(MAKE) --no-print-directory .venv-spark/.ready && $(RUN)/python -m pytest -q tests/spark; \
	else echo "test-spark: skipped, because Java is not installed"; fi

# A separate environment, because few need it and it is large. The version is in uv.lock.
.venv-spark/.ready: pyproject.toml uv.lock tests/spark/pom.xml | .venv/.ready
	UV_PROJECT_ENVIRONMENT=.venv-spark "$(UV)" sync --frozen --quiet --python $(PYTHON) --only-group spark
	rm -rf .venv-spark/jars
	@if command -v mvn >/dev/null; then mvn -q -B -f tests/spark/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/.venv-spark/jars \
	  -DincludeGroupIds=io.delta,org.apache.iceberg; else echo "tests of tables in Spark will be skipped, because Maven is not installed"; fi
	@touch $@

e2e: setup ## Run DataJobs on a node with KubeRay (root or kind; the first time, builds Kubernetes)
	$(RUN)/python -m pytest -q -m "e2e and not large"

e2e-models: setup-models ## Caption images on a node with the torch image (35 GB of disk)
	$(RUN)/python -m pytest -q -m large tests/e2e/test_captions.py

e2e-service: setup ## Change a ModelService on a node and kill its pods under load; prints what clients observed (40 minutes)
	$(RUN)/python -m pytest -q -s tests/e2e/test_service.py

setup-models: .venv/.models ## Add torch and transformers to .venv (5 GB)

.venv/.models: .venv/.ready
	"$(UV)" sync --frozen --quiet --python $(PYTHON) $(EXTRAS) --extra llava
	@touch $@

lint: setup ## Check style, types, import directions and generated files
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	$(RUN)/python -m datajob.api.generate --check
	$(RUN)/python -m datajob_controller.datajob.monitoring --check
	$(RUN)/python -m datajob_controller.modelservice.monitoring --check
	$(RUN)/python -m hack.chart --check

format: setup ## Format the sources
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

generate: setup ## Generate the CRD, the editor schema, the reference and parts of the chart
	$(RUN)/python -m datajob.api.generate
	$(RUN)/python -m datajob_controller.datajob.monitoring
	$(RUN)/python -m datajob_controller.modelservice.monitoring
	$(RUN)/python -m hack.chart

bench-llava: setup-models ## Run the benchmarks of models
	$(RUN)/python -m benchmarks.llava
	$(RUN)/python -m benchmarks.llava_answers

bench-serving: setup ## Measure the application of a ModelService, with and without Ray Serve
	$(RUN)/python -m benchmarks.serving
	$(RUN)/python -m benchmarks.serving --ray

bench-serving-model: setup-models ## Compare many clients of a model with one, and with the offline step
	$(RUN)/python -m benchmarks.serving_model

bench-serving-vllm: .venv-vllm/.ready ## Measure how vLLM serves many clients, compared with the offline step
	PYTHONPATH=workloads .venv-vllm/bin/python -m benchmarks.serving_vllm

bench-streaming: setup ## Measure streaming between CPU steps and models, with simulated devices
	$(RUN)/python -m benchmarks.streaming

bench-photos: setup-models ## Measure llava on 12-megapixel photos, with its processor and a simulated device
	RAY_OVERRIDE_RESOURCES='{"GPU": 1}' $(RUN)/python -m benchmarks.photos

bench-images: setup ## Compare steps on images with Pillow, simplejpeg and Data-Juicer
	$(RUN)/python -m benchmarks.images

bench-audio: setup ## Compare steps on audio with loops and Data-Juicer
	$(RUN)/python -m benchmarks.audio

bench-video: setup ## Compare measures of video frames with decoding alone and with PySceneDetect
	$(RUN)/python -m benchmarks.video

bench-tables: setup ## Measure commits, plans and reads of Delta, Iceberg and Lance tables
	$(RUN)/python -m benchmarks.tables

bench-tokens: setup ## Compare tokenize with its library and mix with shuffle, and measure the sink megatron
	$(RUN)/python -m benchmarks.tokens

bench-endpoint: setup ## Measure a job against a server of limited capacity, and the requests of a job that is killed
	$(RUN)/python -m benchmarks.endpoint

bench-warc: setup ## Compare a job from WARC to filtered texts with datatrove
	$(RUN)/python -m benchmarks.warc

bench-gpu: ## Caption photos on a GPU; needs torch, transformers and a CUDA device in $(PYTHON), not .venv
	PYTHONPATH=workloads:. $(PYTHON) -m benchmarks.gpu

bench: setup ## Measure every number of the README on this machine
	$(RUN)/python -m benchmarks
