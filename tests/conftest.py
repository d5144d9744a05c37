"""Fixtures that more than one folder of tests shares."""

pytest_plugins = ("tests.support.clusters", "tests.support.models.fixtures", "tests.support.s3")
