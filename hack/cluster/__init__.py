"""Kubernetes clusters for tests, on one Linux machine, without Docker or an image registry.

`build` compiles the programs. `sandbox` isolates a cluster in its own namespaces, which the kernel removes together with the
cluster. `control_plane` and `node` define the processes. `kind` does the same on machines with Docker. Tests and the command
line use `cluster`. Only `product` and `product_images` depend on the project itself.

To load an image onto a node of any kind:

    images.build("localhost/name:tag", context, context / "Dockerfile", images.base_arguments())
    node.load("localhost/name:tag")
"""
