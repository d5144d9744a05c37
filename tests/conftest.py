"""Fixtures that more than one folder of tests shares."""

import gc

from hypothesis import HealthCheck, settings

from tests.support.accounting import check_every_run

pytest_plugins = ("tests.support.clusters", "tests.support.hub", "tests.support.models.fixtures", "tests.support.s3")

check_every_run()
settings.register_profile("any load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any load")


def pytest_collection_finish() -> None:
    """Tests that collect garbage do not look at the thousands of tests."""
    gc.collect()
    gc.freeze()
