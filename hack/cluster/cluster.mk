# Test clusters: kind with kind-config.yaml if Docker is available, otherwise a node on this machine (Linux, root). See hack/README.md.
# The last line that `make cluster-up` prints is the path of the kubeconfig.

CLUSTER := $(if $(wildcard .venv/bin/python),.venv/bin/python,python3) -m hack.cluster

.PHONY: cluster-build cluster-up cluster-images cluster-product cluster-down cluster-status

cluster-build: ## Build the cluster programs into ~/.cache/datajob/cluster
	$(CLUSTER) build

cluster-up: ## Start a test cluster with KubeRay, or complete a running one
	$(CLUSTER) up

cluster-images: ## Build the image of the smoke test and load it into the test cluster
	$(CLUSTER) images

cluster-product: setup ## Load the project's images into the test cluster; deploy S3 with the documents of the demo
	.venv/bin/python -m hack.cluster.product

cluster-down: ## Stop and remove the test clusters
	$(CLUSTER) down --kind node
	$(CLUSTER) down --kind control-plane

cluster-status: ## List the running test clusters
	$(CLUSTER) status
