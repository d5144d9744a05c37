"""`datajob`: the command line. Only click is imported at the top; each command imports what it needs when it runs.

Errors are printed to stderr in one paragraph, with a traceback if `--debug` is given. `datajob.errors` has the exit codes.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from datajob.cli.commands import datajob
from datajob.errors import DataJobError

INTERRUPTED = 130
USAGE = 2
RUN_PACKAGES = ("duckdb", "fsspec", "numba", "numpy", "pandas", "pyarrow", "ray", "rich")
"""Packages that runs require and that `pip install datajob` does not install without extras."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point of `datajob`. Exits with a documented code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_run(arguments, debug="--debug" in arguments))


def _run(arguments: list[str], *, debug: bool) -> int:
    try:
        code = datajob.main(arguments, prog_name="datajob", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return USAGE
    except (KeyboardInterrupt, click.Abort):  # click has ended the line with ^C
        click.echo("Interrupted. Run the same command again to resume.", err=True)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except DataJobError as error:
        return _report(str(error), error.exit_code, debug)
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in RUN_PACKAGES:
            return _report(f"Unexpected error: {error}", 1, debug)
        return _report(f"This command requires the package {package}: pip install 'datajob[workload]'", 1, debug)
    except Exception as error:  # noqa: BLE001 - the last place to report it readably
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _report(f"Unexpected error: {what}\nUse --debug to print the traceback.", 1, debug)
    return code if isinstance(code, int) else 0


def _report(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    click.secho("Error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(message, err=True)
    return code
