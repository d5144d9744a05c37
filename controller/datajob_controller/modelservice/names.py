"""Names of the objects that belong to a ModelService. KubeRay derives those of Ray clusters from the RayService."""

import re

APPLICATION_PORT = "serve"
"""Name of the port of replicas, by which KubeRay finds it."""
DEPLOYMENT = "model"
"""The deployment of Ray Serve that the application consists of."""
IMPORT_PATH = "datajob.serving.deployment:build"
KEYS_FOLDER = "/etc/datajob/keys"
REVISION = "datajob.io/revision"
"""Annotation of a RayService: digest of the spec whose model it serves."""
HARDWARE = "datajob.io/hardware"
"""Annotation of a RayService: digest of the part of the spec that shapes its pods."""
LIVE = "datajob.io/live"
"""Annotation of a RayService: digest of the part of the spec that applies without loading the model again."""

CONFIG = "datajob.io/config"
"""Annotation of a RayService: digest of its configuration of Ray Serve, by which edits of others are recognized."""


def is_cluster_of(service: str, cluster: str) -> bool:
    """Whether a RayCluster has a name that KubeRay derives from the RayService of a ModelService."""
    return bool(re.fullmatch(rf"{re.escape(service)}-[a-z0-9]{{5}}", cluster))
