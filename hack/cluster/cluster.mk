# Real test clusters: kind with kind-config.yaml where Docker runs, else a bare node on this machine (Linux, root).
# The last line of `make cluster-up` is the path of the kubeconfig.

CLUSTER := $(if $(wildcard .venv/bin/python),.venv/bin/python,python3) -m hack.cluster

.PHONY: cluster-build cluster-up cluster-images cluster-product cluster-down cluster-status

cluster-build: ## Build every program of the test clusters (once per version, into ~/.cache/datajob/cluster)
	$(CLUSTER) build

cluster-up: ## Start a test cluster with KubeRay, or finish the one that runs
	$(CLUSTER) up

cluster-images: ## Build the image of the smoke test and load it into the running test cluster
	$(CLUSTER) images

cluster-product: setup ## Give the running test cluster the project's images, and S3 with the sample's documents
	.venv/bin/python -m hack.cluster.product

cluster-down: ## End the test clusters and leave nothing of them
	$(CLUSTER) down --kind node
	$(CLUSTER) down --kind control-plane

cluster-status: ## Say which test clusters run
	$(CLUSTER) status
