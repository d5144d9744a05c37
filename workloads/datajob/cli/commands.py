"""The commands with their options. What they do is in the modules beside this one."""

from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from datajob import __version__

_debug = click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
_set = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Replace a value of the job, such as spec.steps[0].limit.count=100. The value is YAML. May be repeated.",
)

_name = click.option("--name", help="Which job to run when FILE holds several: its metadata.name.")
_executor = click.option(
    "--executor",
    type=click.Choice(["auto", "ray", "local"]),
    default="auto",
    show_default=True,
    help="Ray, this one process, or whichever is quicker for the size of the input.",
)
_ray_address = click.option(
    "--ray-address", metavar="ADDRESS", help="Use this Ray cluster instead of starting one, such as auto or ray://host:10001."
)
_python_path = click.option(
    "--python-path",
    multiple=True,
    type=click.Path(exists=True, file_okay=False),
    help="Folder with modules that the job's functions come from, besides the folder of FILE.",
)
_quiet = click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
_form = click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to say it."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="datajob")
@_debug
def datajob() -> None:
    """Clean and caption data as a DataJob says: read, steps, write.

    \b
    datajob validate job.yaml      check a job without running it
    datajob run job.yaml           run it on this machine
    datajob operators              what a step can be
    datajob report out/clean       what a run did to the rows
    datajob analyze job.yaml       how the texts measure, which limits would suit them

    Exit codes: 0 it went well, 1 unexpected error, 2 the job or the command line is wrong, 3 the input,
    4 the sink, 5 rows failed, 6 the store does not answer, 130 interrupted.
    """


def _command(short_help: str) -> Callable[[Callable[..., Any]], click.Command]:
    return lambda function: datajob.command(short_help=short_help)(_debug(function))


@_command("Run a job on this machine or a Ray cluster.")
@click.argument("file", type=click.Path())
@_name
@_set
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--resume/--fresh", default=True, help="Keep what an earlier run finished (default), or do all of it again.")
@_executor
@_ray_address
@_python_path
@_quiet
def run(**options: Any) -> None:
    """Run the job in FILE (- for standard input) on this machine or a Ray cluster.

    A run that was stopped goes on where it was when the same command is given again.
    """
    from datajob.cli.running import run_file

    run_file(**options)


@_command("Measure a job's texts; suggest limits.")
@click.argument("file", type=click.Path())
@_name
@_set
@click.option("--column", help="The text to measure; by default that of the job's first filter with limits, or text.")
@click.option("--numbers", "columns", multiple=True, metavar="COLUMN", help="Describe a numeric column, too. May be repeated.")
@click.option(
    "--measure",
    "measures",
    multiple=True,
    metavar="OPERATOR",
    help="Measure as this filter does, instead of as all usual ones.",
)
@click.option(
    "--sample", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True, help="Share of the rows to look at."
)
@click.option("--after", metavar="STEP", help="Run the job's steps up to this one first; by default rows are measured as read.")
@click.option("--out", metavar="FOLDER", help="Keep the report and its page here; a run that was stopped goes on from it.")
@click.option("--html", metavar="FILE", type=click.Path(dir_okay=False), help="Write the report's page to FILE.")
@_form
@_executor
@_ray_address
@_python_path
@_quiet
def analyze(**options: Any) -> None:
    """Measure the rows of the job in FILE (- for standard input) without running it: how each measure is distributed,
    what the limits of its filters would drop, and which limits would suit the data. The sink is not touched."""
    from datajob.cli.analyzing import analyze_file

    analyze_file(**options)


@_command("Check jobs without running them.")
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="FILE...")
@_set
@click.option("--import", "imports", is_flag=True, help="Import the functions and classes that steps name, too.")
@_form
def validate(files: tuple[str, ...], overrides: tuple[str, ...], imports: bool, form: str) -> int:
    """Check the jobs in FILE... (- for standard input) without running them; exit code 2 when one is wrong."""
    from datajob.cli.validating import validate_files

    return validate_files(files, overrides, imports=imports, form=form)


def _operator_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from datajob.one_of import summary
    from datajob.operators.registry import all_operators

    return [CompletionItem(key, help=summary(o)) for key, o in all_operators().items() if key.startswith(incomplete)]


@_command("List the operators, or describe one.")
@click.argument("name", required=False, shell_complete=_operator_names)
def operators(name: str | None) -> None:
    """List the operators, or describe the one called NAME with its parameters."""
    from datajob.cli.describing import describe_operator, list_operators

    click.echo(describe_operator(name) if name else list_operators())


@_command("Print the JSON Schema of a DataJob, or the CRD.")
@click.option("--crd", is_flag=True, help="Print the CustomResourceDefinition for a cluster instead.")
def schema(crd: bool) -> None:
    """Print the JSON Schema of a DataJob, for editors.

    In VS Code or any editor with a YAML language server, begin a job with the line
    # yaml-language-server: $schema=datajob.schema.json
    """
    from datajob.cli.describing import schema_text

    click.echo(schema_text(crd=crd), nl=False)


@_command("Show what a run did to the rows.")
@click.argument("path", type=click.Path())
@click.option("--html", metavar="FILE", help="Write the report's page to FILE (- for standard output).")
@click.option("--open", "in_browser", is_flag=True, help="Open the report's page in a browser.")
def report(path: str, html: str | None, in_browser: bool) -> None:
    """Print the report of a running or finished run; PATH is its sink, or a report.json."""
    from datajob.cli.reporting import show_report

    show_report(path, html, in_browser=in_browser)


@_command("Print the versions of datajob and its packages.")
def version() -> None:
    """Print the version of datajob and of what it stands on."""
    from datajob.cli.describing import versions

    click.echo(versions())


@_command("Print a shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash: datajob completion bash > ~/.local/share/bash-completion/completions/datajob
    zsh:  datajob completion zsh > "${fpath[1]}/_datajob"
    fish: datajob completion fish > ~/.config/fish/completions/datajob.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(datajob, {}, "datajob", "_DATAJOB_COMPLETE").source())
