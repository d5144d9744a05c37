"""Load Iceberg tables from their catalog with pyiceberg."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from datajob.errors import DataJobError, InputError, InvalidJob, StorageUnavailable
from datajob.formats._table_packages import package
from datajob.formats.storage import explain, is_unavailable, s3_endpoint, s3_region
from datajob.parameters import Parameters

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

_SECRET = re.compile(r"token|credential|password|secret|(^|[.-])access-key|session", re.IGNORECASE)
_UNAVAILABLE = (
    "ServerError",
    "ServiceUnavailableError",
    "OperationalError",
    "ConnectionError",
    "Timeout",
    "TTransportException",
)
"""Exceptions of catalogs whose requests can be retried."""


class CatalogTable(Parameters):
    """A table in a catalog."""

    table: str = Field(pattern=r"^[^.\s]+(\.[^.\s]+)+$", description="Table with its namespace, such as `lake.docs`.")
    catalog: dict[str, str] = Field(
        default={},
        description="Properties of the catalog as in pyiceberg, such as `type: rest`, `uri` and `warehouse`. Types are `rest`, "
        "`sql`, `glue`, `hive`, `dynamodb` and `bigquery`. Set secrets in the environment: "
        "`PYICEBERG_CATALOG__<NAME>__TOKEN`.",
    )
    catalog_name: str = Field(
        default="default",
        pattern=r"^[A-Za-z0-9_]+$",
        description="Name of the catalog, as in the environment variables and the configuration file of pyiceberg.",
    )

    @field_validator("catalog")
    @classmethod
    def _no_secrets(cls, value: dict[str, str]) -> dict[str, str]:
        for key in value:
            if _SECRET.search(key) and not key.startswith("header."):
                raise ValueError(f"`{key}` is a secret; set it in the environment: PYICEBERG_CATALOG__<NAME>__<KEY>")
        if re.search(r"://[^/@]*:[^/@]*@", value.get("uri", "")):
            raise ValueError("`uri` contains a password; set it in the environment: PYICEBERG_CATALOG__<NAME>__URI")
        return value


def load_catalog(source: CatalogTable, kind: type[DataJobError]) -> Catalog:
    """The catalog of a table. Raises InvalidJob for wrong properties, StorageUnavailable if it cannot be reached."""
    catalogs = package("pyiceberg.catalog", "iceberg")
    with iceberg_errors(source, kind):
        found: Catalog = catalogs.load_catalog(source.catalog_name, **{**_of_environment(), **source.catalog})
        return found


def load_table(source: CatalogTable, kind: type[DataJobError] = InputError) -> Table:
    """The current metadata of a table. Raises `kind` if it does not exist or cannot be read."""
    catalog = load_catalog(source, kind)
    with iceberg_errors(source, kind):
        return catalog.load_table(source.table)


def find_table(source: CatalogTable, kind: type[DataJobError]) -> Table | None:
    """The current metadata of a table, or None if it does not exist."""
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    catalog = load_catalog(source, kind)
    with iceberg_errors(source, kind):
        try:
            return catalog.load_table(source.table)
        except (NoSuchTableError, NoSuchNamespaceError):
            return None


def _of_environment() -> Mapping[str, str]:
    """Properties of the object store that pyiceberg does not read from the environment."""
    found = {"s3.endpoint": s3_endpoint(), "s3.region": s3_region()}
    return {key: value for key, value in found.items() if value}


@contextmanager
def iceberg_errors(source: CatalogTable, kind: type[DataJobError]) -> Iterator[None]:
    """Convert the errors of pyiceberg and of catalogs to `kind`, InvalidJob or StorageUnavailable."""
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError, NotInstalledError

    try:
        yield
    except DataJobError:
        raise
    except (NoSuchTableError, NoSuchNamespaceError) as error:
        raise kind(f"{source.table}: the catalog {source.catalog_name} has no such table.") from error
    except NotInstalledError as error:
        raise InvalidJob(f"{source.table}: the catalog needs a Python package that is not installed: {error}.") from error
    except Exception as error:
        if is_unavailable(error) or any(one.__name__ in _UNAVAILABLE for one in type(error).__mro__):
            raise StorageUnavailable(
                f"{source.table}: the catalog {source.catalog_name} or its storage cannot be reached; check its `uri` and the "
                f"network ({type(error).__name__}: {' '.join(str(error).split())[:500]})."
            ) from error
        raise kind(f"{source.table}: cannot use the Iceberg table: {type(error).__name__}: {explain(error)}.") from error
