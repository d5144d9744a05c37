"""Real Kubernetes clusters for the tests, on one Linux machine, without Docker and without an image registry.

`build` makes the programs, `sandbox` gives a run namespaces of its own that the kernel clears away with it, `control_plane`
and `node` say what runs inside, `kind` is the same for machines with Docker, `cluster` is what tests and the command line use.
Nothing in here knows the product.
"""
