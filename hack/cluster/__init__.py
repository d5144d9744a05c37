"""Real Kubernetes clusters for the tests, on one Linux machine, without Docker and without an image registry.

`build` makes the programs, `sandbox` gives a run namespaces of its own that the kernel clears away with it, `control_plane`
and `node` say what runs inside, `kind` is the same for machines with Docker, `cluster` is what tests and the command line use.
Nothing in here knows the product.

Tests take the fixtures of `fixtures`. To bring an image of the project onto a node, whatever kind of node it is:

    images.build("localhost/name:tag", context, context / "Dockerfile", images.base_arguments())
    node.load("localhost/name:tag")
"""
