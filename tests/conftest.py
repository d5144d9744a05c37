"""Fixtures that more than one folder of tests shares."""

pytest_plugins = ("tests.cluster.fixtures", "tests.models.fixtures", "tests.s3")
