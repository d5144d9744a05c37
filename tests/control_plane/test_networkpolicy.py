"""The NetworkPolicy of a job on a real API server admits the KubeRay operator as its kustomization labels it."""

import pytest
import yaml

from datajob.api.contract import DASHBOARD_PORT
from hack.cluster.cluster import Cluster
from tests.support.api_jobs import Jobs
from tests.support.network import admits


@pytest.mark.usefixtures("controller")
def test_kuberay_of_the_test_cluster_reaches_a_job(jobs: Jobs, control_plane: Cluster) -> None:
    rendered = yaml.safe_load_all(control_plane.kubectl("kustomize", control_plane.kuberay("default")))
    operator = next(one for one in rendered if one["kind"] == "Deployment")
    jobs.apply()
    jobs.ray_job()
    (policy,) = jobs.api.list("networkpolicies", jobs.namespace)
    assert admits(policy, DASHBOARD_PORT, operator["spec"]["template"]["metadata"]["labels"], {"anything": "else"})
