"""An S3 server in the cluster, with access for tests."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hack.cluster import images
from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for

if TYPE_CHECKING:
    import pyarrow.fs as pafs

NAMESPACE = "e2e-s3"
PORT = 9000
KEY = "datajob"
BUCKET = "datasets"
DOCUMENTS = Path(__file__).parents[2] / "manifests" / "samples" / "data" / "docs.jsonl.gz"


@dataclass(frozen=True)
class ClusterS3:
    """A running S3 server in the cluster."""

    cluster: Cluster
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables for pods."""
        return {
            "AWS_ENDPOINT_URL": f"http://s3.{NAMESPACE}.svc.cluster.local:{PORT}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @contextmanager
    def forwarded(self) -> Iterator[dict[str, str]]:
        """The environment variables for processes of this machine, which reach the server with `kubectl port-forward`."""
        with self.cluster.forwarded(NAMESPACE, "deployment/s3", PORT) as port:
            yield {**self.environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}

    @contextmanager
    def files(self) -> Iterator["pafs.S3FileSystem"]:
        """The buckets of the server."""
        import pyarrow.fs as pafs

        with self.forwarded() as environment:
            yield pafs.S3FileSystem(
                access_key=KEY,
                secret_key=self.secret,
                endpoint_override=environment["AWS_ENDPOINT_URL"],
                region="us-east-1",
                scheme="http",
                allow_bucket_creation=True,
            )

    def write(self, path: str, data: bytes) -> None:
        """Write a file, again if the connection to the cluster breaks."""

        def written() -> bool:
            try:
                with self.files() as files, files.open_output_stream(path, compression=None) as out:
                    out.write(data)
            except OSError:
                return False
            return True

        wait_for(written, f"{path} in S3")

    def give_secret(self, namespace: str) -> None:
        """Create the Secret that the samples use."""
        meta = {"name": "s3", "namespace": namespace}
        self.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": self.environment}))


def deploy_with_documents(cluster: Cluster) -> ClusterS3:
    """Start the server with the documents of the demo."""
    server = deploy(cluster)
    server.write(f"{BUCKET}/docs/docs.jsonl.gz", DOCUMENTS.read_bytes())
    return server


def deploy(cluster: Cluster) -> ClusterS3:
    """Start the server with an empty bucket."""
    image = images.build_program("versitygw")
    cluster.load(image)
    server = ClusterS3(cluster, secrets.token_hex(12))
    container = {
        "name": "s3",
        "image": image,
        "imagePullPolicy": "Never",
        "args": ["--port", f":{PORT}", "--access", KEY, "--secret", server.secret, "posix", "--sidecar", "/meta", "/data"],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "meta", "mountPath": "/meta"}],
    }
    volumes = [{"name": "data", "emptyDir": {}}, {"name": "meta", "emptyDir": {}}]
    labels = {"app": "s3"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "volumes": volumes}}
    meta = {"name": "s3", "namespace": NAMESPACE}
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {"selector": {"matchLabels": labels}, "strategy": {"type": "Recreate"}, "template": template},
        },
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": labels, "ports": [{"port": PORT}]}},
    ]
    for one in objects:
        cluster.apply(json.dumps(one))
    cluster.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/s3", "--timeout=280s")
    with server.files() as files:
        wait_for(lambda: files.create_dir(BUCKET) is None, "the bucket")
    return server
