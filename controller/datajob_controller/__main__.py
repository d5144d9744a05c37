"""`python -m datajob_controller`: run one replica until it is stopped or loses the leadership."""

import asyncio
import logging
import os
import signal
from collections.abc import Sequence

from datajob_controller.kinds import SETTINGS, kinds
from datajob_controller.runtime.kind import Kind
from datajob_controller.runtime.operator import Operator
from datajob_controller.runtime.settings import InvalidSettingsError, Settings, refuse_unknown


def main(served: Sequence[Kind] | None = None) -> None:
    """Run the controller with settings from the environment; `served` replaces the registered kinds."""
    try:
        refuse_unknown(os.environ, (Settings, *SETTINGS))
        settings = Settings.from_env(os.environ)
        registered = kinds(os.environ)
    except InvalidSettingsError as error:
        raise SystemExit(f"error: {error}") from error
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("kopf").setLevel(logging.WARNING)
    asyncio.run(_run(Operator(settings, registered if served is None else served)))


async def _run(operator: Operator) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await operator.run(stop)
    if not stop.is_set():
        raise SystemExit("This replica lost the leadership and exits; Kubernetes restarts it as a standby.")


if __name__ == "__main__":
    main()
