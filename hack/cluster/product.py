"""`python -m hack.cluster.product`: prepare the running test cluster for the walkthrough in the README.

Builds and loads the images of the controller and the workload under the names in the manifests, and deploys S3 with the
documents of the demo.
"""

import sys
from pathlib import Path

import yaml

from datajob_controller.datajob.settings import JobSettings
from hack.cluster import product_images, s3
from hack.cluster.__main__ import running_node

DEPLOYMENT = Path(__file__).parents[2] / "manifests" / "controller" / "deployment.yaml"


def main() -> int:
    """Build and load the images, deploy S3 and print the results."""
    cluster = running_node()
    if cluster is None:
        print("error: no test cluster is running; start one with `make cluster-up`", file=sys.stderr)
        return 1
    (container,) = yaml.safe_load(DEPLOYMENT.read_text())["spec"]["template"]["spec"]["containers"]
    for image in (product_images.build_controller(container["image"]), product_images.build_workload(JobSettings().image_cpu)):
        cluster.load(image)
        print(f"loaded image: {image}")
    server = s3.deploy_with_documents(cluster)
    server.give_secret("default")
    print("deployed: s3://datasets/docs/ and the Secret `s3` in the namespace `default`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
