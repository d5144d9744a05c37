"""Reports as a driver pushes them."""

import json
from typing import Any

from datajob_controller.runtime.manifests import rfc3339
from tests.support.world import NOW


def report(state: str = "running", **fields: Any) -> str:
    """A small report in the form of the workload."""
    made = {
        "name": "clean-web",
        "state": state,
        "started": rfc3339(NOW),
        "version": "0.1.0",
        "progress": {"rowsIn": 100, "rowsOut": 90, "shardsDone": 3, "shardsTotal": 10, "percent": 30},
        "steps": [{"name": "filter", "rowsIn": 100, "rowsOut": 90, "rejected": {"short": 10}, "seconds": 1.5}],
    }
    return json.dumps({**made, **fields})
