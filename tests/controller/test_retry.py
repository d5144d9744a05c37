"""The delay before a retry."""

import pytest

from datajob_controller.datajob.settings import JobSettings
from tests.support.world import World, datajob


@pytest.mark.parametrize(
    ("backoff", "waits", "stated"),
    [(10, [10, 20, 40, 60, 60], False), (60, [60, 60], False), (61, [60, 60], True), (86_400, [60, 60], True)],
)
def test_the_setting_limits_every_delay_and_the_event_states_it(backoff: int, waits: list[int], stated: bool) -> None:
    world = World(datajob(retry={"limit": 9, "backoffSeconds": backoff}), JobSettings(max_backoff_seconds=60))
    world.settle()
    for seconds in waits:
        world.ray_job["status"] |= {"jobStatus": "FAILED", "jobDeploymentStatus": "Failed", "message": "exit code 1"}
        decision = world.decide()
        (event,) = decision.events
        assert ("max_backoff_seconds" in event.message) == stated
        assert decision.requeue_at and (decision.requeue_at - world.now).total_seconds() == seconds
        world.later(seconds)
        world.settle()
