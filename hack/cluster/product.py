"""`python -m hack.cluster.product`: gives the running test cluster what the README's walk needs that no registry has for it.

The controller's and the workload's image under the names of the manifests, and S3 with the sample's documents.
"""

import sys
from pathlib import Path

import yaml

from datajob_controller.datajob.settings import JobSettings
from hack.cluster import product_images
from hack.cluster.__main__ import running_node
from tests.support import install

DEPLOYMENT = Path(__file__).parents[2] / "manifests" / "controller" / "deployment.yaml"


def main() -> int:
    """Build, load and deploy; say what is there."""
    cluster = running_node()
    if cluster is None:
        print("error: no test cluster runs; start one with `make cluster-up`", file=sys.stderr)
        return 1
    (container,) = yaml.safe_load(DEPLOYMENT.read_text())["spec"]["template"]["spec"]["containers"]
    for image in (product_images.build_controller(container["image"]), product_images.build_workload(JobSettings().image_cpu)):
        cluster.load(image)
        print(f"on the node: {image}")
    server = install.s3_with_documents(cluster)
    server.give_secret("default")
    print("in the cluster: s3://datasets/docs/, and the Secret `s3` in the namespace default")
    return 0


if __name__ == "__main__":
    sys.exit(main())
