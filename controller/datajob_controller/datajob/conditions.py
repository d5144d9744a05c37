"""The conditions of a DataJob.

`Reconciling` and `Stalled` follow kstatus, so that kubectl, Flux and Argo CD can distinguish progress from failure. At most one
of them is true. `Finished` is true once the controller does nothing more without an edit, regardless of the outcome.
"""

from collections.abc import Mapping
from typing import get_args

from datajob.api.status import ConditionType
from datajob_controller.shared.policy.conditions import ConditionUpdate

TYPES: tuple[ConditionType, ...] = get_args(ConditionType)
ConditionUpdates = Mapping[ConditionType, ConditionUpdate]
"""The conditions that change."""
