"""`datajob`: the command line. Imports click alone at the top; each command imports what it needs when it runs.

One readable paragraph on stderr for an error, `--debug` for its traceback, exit codes as in `datajob.errors`.
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
OF_A_RUN = ("duckdb", "fsspec", "numba", "numpy", "pandas", "pyarrow", "ray", "rich")
"""Packages that reading and running need and that a plain `pip install datajob` does not bring."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point of `datajob`; exits with a documented code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_run(arguments, debug="--debug" in arguments))


def _run(arguments: list[str], *, debug: bool) -> int:
    try:
        code = datajob.main(arguments, prog_name="datajob", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return USAGE
    except (KeyboardInterrupt, click.Abort):  # click has ended the line that ^C stands in
        click.echo("Interrupted. The next run of the same command goes on from what was finished.", err=True)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except DataJobError as error:
        return _said(str(error), error.exit_code, debug)
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in OF_A_RUN:
            return _said(f"Unexpected error: {error}", 1, debug)
        return _said(f"This command needs the package {package}: pip install 'datajob[workload]'", 1, debug)
    except Exception as error:  # noqa: BLE001 - the last place to say it readably
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _said(f"Unexpected error: {what}\n--debug shows where it happened.", 1, debug)
    return code if isinstance(code, int) else 0


def _said(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    click.secho("Error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(message, err=True)
    return code
