"""`python -m datajob_controller`: run one replica until it is stopped or loses the leadership."""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence

from datajob_controller.kinds import SETTINGS, kinds
from datajob_controller.runtime.kind import Kind
from datajob_controller.runtime.nesting import tolerate_deep_nesting
from datajob_controller.runtime.operator import Operator, stop_on_signals
from datajob_controller.runtime.settings import InvalidSettingsError, Settings, refuse_unknown


def main(served: Sequence[Kind] | None = None) -> None:
    """Run the controller with settings from the environment; `served` replaces the registered kinds."""
    settings, registered = read_settings(os.environ)
    tolerate_deep_nesting()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if settings.log_level != "DEBUG":
        logging.getLogger("kopf").setLevel(logging.CRITICAL)  # the controller itself logs why a watch ended
    asyncio.run(_run(Operator(settings, registered if served is None else served)))


def read_settings(env: Mapping[str, str]) -> tuple[Settings, tuple[Kind, ...]]:
    """The settings of the process, and the kinds with theirs. Ends the process if one of them is not valid."""
    try:
        refuse_unknown(env, (Settings, *SETTINGS))
        return Settings.from_env(env), kinds(env)
    except InvalidSettingsError as error:
        raise SystemExit(f"error: {error}") from error


async def _run(operator: Operator) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    await operator.run(stop)
    if not stop.is_set():
        raise SystemExit("This replica lost the leadership and exits; Kubernetes restarts it as a standby.")


if __name__ == "__main__":
    main()
