"""`python -m controller`: runs one replica until it is told to stop or loses the leadership."""

import asyncio
import logging
import os
import signal

from datajob_controller.runtime.operator import Operator
from datajob_controller.runtime.settings import Settings


def main() -> None:
    """Run the controller with the settings of the environment."""
    settings = Settings.from_env(os.environ)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("kopf").setLevel(logging.WARNING)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Operator(settings).run(stop)
    if not stop.is_set():
        raise SystemExit("The leadership was lost: another replica works now, this one begins anew.")


if __name__ == "__main__":
    main()
