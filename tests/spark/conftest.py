"""One Spark session for all tests. Spark is in a separate environment, `.venv-spark`, and needs Java."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ENVIRONMENT = Path(__file__).parents[2] / ".venv-spark"
JARS = sorted(map(str, (ENVIRONMENT / "jars").glob("*.jar")))
"""Those of Delta and Iceberg."""
PACKAGES = sorted(ENVIRONMENT.glob("lib/python3*/site-packages"))

TABLES = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension,"
    "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.catalog.ice": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.ice.type": "hadoop",
    "spark.databricks.delta.snapshotPartitions": "1",
}
"""Settings of tables."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.spark)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not PACKAGES or shutil.which("java") is None:
        pytest.skip("needs Java and Spark: run `make test-spark`")
    sys.path.append(str(PACKAGES[-1]))
    from pyspark.sql import SparkSession

    settings = {
        **(TABLES if JARS else {}),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "700m",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # compiling takes most of the time
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",  # otherwise, `01` is the number 1
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if JARS:
        settings |= {"spark.jars": ",".join(JARS), "spark.sql.catalog.ice.warehouse": str(tmp_path_factory.mktemp("iceberg"))}
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture
def tables(spark: Any) -> Any:
    """Spark with tables of Delta and Iceberg."""
    if not JARS:
        pytest.skip("needs Maven: run `make test-spark`")
    return spark


@pytest.fixture
def setting(spark: Any) -> Iterator[Any]:
    """A function that changes settings of Spark for one test."""
    before: dict[str, Any] = {}

    def change(name: str, value: str) -> None:
        before.setdefault(name, spark.conf.get(name, None))
        spark.conf.set(name, value)

    yield change
    for name, value in before.items():
        spark.conf.set(name, value) if value is not None else spark.conf.unset(name)
