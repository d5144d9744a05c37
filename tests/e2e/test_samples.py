"""The samples, from `kubectl apply` to the result."""

import json

from hack.cluster.s3 import BUCKET, ClusterS3
from tests.support.node_jobs import NodeJobs


def test_the_sample_cleans_documents_in_s3(jobs: NodeJobs, s3_in_cluster: ClusterS3) -> None:
    jobs.sample("clean-docs-s3.yaml")
    status = jobs.wait_end("clean-docs")
    assert status["phase"] == "Complete", jobs.describe()
    assert status["progress"]["percent"] == 100
    assert status["output"]["rows"] > 0
    assert {step["name"] for step in status["steps"]} >= {"gopherQuality", "exactDedup"}
    with s3_in_cluster.files() as files:
        manifest = json.loads(files.open_input_stream(status["output"]["manifest"].removeprefix("s3://")).readall())
        assert manifest
        import pyarrow.parquet as pq

        rows = pq.read_table(f"{BUCKET}/clean-docs/", filesystem=files).num_rows
    assert rows == status["output"]["rows"]
    assert jobs.status("clean-docs")["failures"] == 0
