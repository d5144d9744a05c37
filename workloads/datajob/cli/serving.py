"""`datajob serve`: run a ModelService on this machine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from importlib.util import find_spec

import click

from datajob.api.loading import read_file
from datajob.api.overrides import parse_override
from datajob.api.problems import raise_errors
from datajob.api.service import KIND
from datajob.api.service.checks import check_service
from datajob.api.service.service import ModelService
from datajob.errors import InvalidJob
from datajob.python.jobs import choose

PACKAGES = ("fastapi", "uvicorn", "prometheus_client")


def serve_file(
    *, file: str, name: str | None, overrides: Sequence[str], host: str, port: int, keys: str | None, ray: bool, quiet: bool
) -> None:
    """Run one service of a file until it is interrupted. Raises DataJobError."""
    service = _chosen(file, name, overrides)
    if any(find_spec(package) is None for package in PACKAGES):
        raise InvalidJob("`datajob serve` requires more packages: pip install 'datajob[serve]'")
    _check_keys(service, keys)
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for chatty in ("httpx", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_no_cancellation)
    logging.getLogger("huggingface_hub").propagate = False  # its own handler prints its warnings
    if ray:
        from datajob.serving.deployment import serve_on_ray

        serve_on_ray(service, keys, host, port, lambda: _announce(service, host, port, quiet))
        return
    _serve(service, keys, host, port, quiet)


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """Whether a record does not only state that a second Ctrl-C has ended a request."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _check_keys(service: ModelService, keys: str | None) -> None:
    """Raise InvalidJob unless there are keys exactly if the service requires them."""
    from datajob.serving.keys import Keys

    auth = service.spec.auth
    if auth.anonymous and keys is not None:
        raise InvalidJob("`--keys` has no effect, because `spec.auth.anonymous` is true: remove one of them.")
    if not auth.anonymous and keys is None:
        raise InvalidJob(
            "`spec.auth.secretName` refers to a Secret of a cluster. On this machine, use `--keys FOLDER`, a folder with one "
            "file per API key, or `--set spec.auth.secretName=null --set spec.auth.anonymous=true`."
        )
    if keys is not None and not Keys(keys, auth.keys).names:
        raise InvalidJob(
            f"The folder {keys} contains no API key. Write one file per client, with the name of the client and the key as its "
            "content."
        )


def _serve(service: ModelService, keys: str | None, host: str, port: int, quiet: bool) -> None:
    from datajob.operators.base import Device
    from datajob.serving.assembly import assemble, load_engine
    from datajob.serving.metrics import PrometheusMeter
    from datajob.serving.running import serve

    spec, name = service.spec, service.model_name
    step = spec.model.chosen
    device = Device("cpu" if getattr(step, "device", "auto") == "cpu" else "any")
    made = assemble(spec, name, PrometheusMeter(name), keys or "")
    serve(made, lambda: load_engine(spec, device), host, port, lambda chosen: _announce(service, host, chosen, quiet))


def _chosen(file: str, name: str | None, overrides: Sequence[str]) -> ModelService:
    document = choose(read_file(file, [parse_override(text) for text in overrides], (KIND,)), file, name)
    if document.service:
        document = document.with_problems(check_service(document.service))
    raise_errors(document.errors)
    assert document.service is not None
    return document.service


def _announce(service: ModelService, host: str, port: int, quiet: bool) -> None:
    if not quiet:
        click.echo(f"The model {service.model_name} is ready at http://{host}:{port}/v1", err=True)
