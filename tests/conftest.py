"""Fixtures that more than one folder of tests shares."""

from tests.support.accounting import check_every_run

pytest_plugins = ("tests.support.clusters", "tests.support.models.fixtures", "tests.support.s3")

check_every_run()
