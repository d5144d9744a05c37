"""The sample that captions photos, on a node: the image with torch, the model on a volume, two actors.

Each image is 7 GB, because without an index of torch's CPU builds it holds CUDA's libraries.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from hack.cluster import product_images
from hack.cluster.cluster import Cluster
from hack.cluster.kind import KindCluster
from hack.cluster.s3 import BUCKET, ClusterS3
from tests.support.models.fixtures import needs_torch
from tests.support.models.llava import make_llava
from tests.support.node_jobs import NodeJobs

PHOTOS = sorted((Path(__file__).parents[2] / "manifests" / "samples" / "data" / "photos").glob("*.jpg"))
COPIES = 8
WORKERS = {"min": 2, "max": 2, "cpu": "400m", "memory": "3Gi"}

pytestmark = pytest.mark.large


@pytest.fixture(scope="module")
def volume(installed: Cluster) -> Iterator[str]:
    """A folder of the node that pods of any user can read, with a tiny LLaVA-NeXT and photos."""
    needs_torch()
    if isinstance(installed, KindCluster):
        pytest.skip("the nodes of kind do not see this machine's folders")
    with tempfile.TemporaryDirectory(prefix="datajob-volume-", dir="/tmp") as folder:  # the node has a /var of its own
        make_llava(Path(folder) / "llava")
        (Path(folder) / "photos").mkdir()
        for copy, photo in product(range(COPIES), PHOTOS):
            shutil.copy(photo, Path(folder) / "photos" / f"{copy}-{photo.name}")
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o755)
        yield folder


@pytest.mark.parametrize("engine", ["transformers", "vllm"])
def test_the_sample_captions_photos_with_two_actors(
    jobs: NodeJobs, s3_in_cluster: ClusterS3, installed: Cluster, volume: str, engine: str
) -> None:
    image = product_images.build_workload(f"localhost/datajob-workload:test-{engine}", "cpu", engine)
    installed.load(image)
    sample = jobs.read_sample("caption-images.yaml")["spec"]
    sample["steps"][0]["llava"] |= {"model": "/data/llava", "maxNewTokens": 16, "device": "cpu", "engine": engine}
    jobs.sample(
        "caption-images.yaml",
        sources=[{"images": {"paths": ["/data/photos"], "includePath": "path"}}],
        steps=sample["steps"],
        sink={"json": {"path": f"s3://{BUCKET}/captions/", "mode": "overwrite"}},
        errors={"policy": "fail"},
        runtime={
            "image": image,
            "envFrom": [{"secretRef": {"name": "s3"}}],
            "volumes": [{"name": "data", "hostPath": {"path": volume}}],
            "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
        },
        resources={"head": {"cpu": "400m", "memory": "2Gi"}, "workers": WORKERS},
        retry={"limit": 0},
    )
    status = jobs.wait_end("caption-images")
    assert status["phase"] == "Complete", jobs.describe()
    assert status["output"]["rows"] == COPIES * len(PHOTOS)
    with s3_in_cluster.files() as files:
        report = json.loads(files.open_input_stream(f"{BUCKET}/captions/_datajob/report.json").readall())
        manifest = json.loads(files.open_input_stream(status["output"]["manifest"].removeprefix("s3://")).readall())
    assert manifest
    at_work = [worker for worker in report["workers"] if worker["rows"]]
    assert len({worker["name"].partition("/")[0] for worker in at_work}) == 2, report["workers"]
    assert all(engine in worker["models"][0] and "float32 on cpu" in worker["models"][0] for worker in at_work)
