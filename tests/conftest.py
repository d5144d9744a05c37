"""Fixtures that more than one folder of tests shares."""

import gc
import os
import signal

from hypothesis import HealthCheck, settings

from tests.support.accounting import check_every_run

pytest_plugins = ("tests.support.clusters", "tests.support.hub", "tests.support.models.fixtures", "tests.support.s3")

# Ray refuses to spill to a disk that is 95 % full, and kills workers while memory is. Neither is a fault of a test.
os.environ.setdefault("RAY_local_fs_capacity_threshold", "0.999")
os.environ.setdefault("RAY_memory_monitor_refresh_ms", "0")

# A shell lets commands in its background ignore Ctrl-C, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

check_every_run()
# The same examples in each run. `pytest --hypothesis-profile random` looks for new ones.
settings.register_profile("random", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("fixed", settings.get_profile("random"), derandomize=True, database=None)
settings.load_profile("fixed")


def pytest_collection_finish() -> None:
    """Tests that collect garbage do not look at the thousands of tests."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """The interpreter frees the modules at its end; extensions report objects that remain."""
    gc.unfreeze()
