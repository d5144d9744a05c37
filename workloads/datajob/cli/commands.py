"""The commands with their options. The other modules of this package implement them."""

from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from datajob import __version__

_debug = click.option("--debug", is_flag=True, expose_value=False, help="Print the traceback of an error.")
_set = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Replace a value in the job, such as spec.steps[0].limit.count=100. The value is YAML. Can be repeated.",
)

_name = click.option("--name", help="Name of the job (metadata.name) if FILE contains several.")
_executor = click.option(
    "--executor",
    type=click.Choice(["auto", "ray", "local"]),
    default="auto",
    show_default=True,
    help="ray, local (a single process), or auto: the faster one for the input and its steps.",
)
_ray_address = click.option(
    "--ray-address", metavar="ADDRESS", help="Address of an existing Ray cluster, such as auto or ray://host:10001."
)
_python_path = click.option(
    "--python-path",
    multiple=True,
    type=click.Path(exists=True, file_okay=False),
    help="Additional folder to import the job's functions from; the folder of FILE is always searched.",
)
_namespace = click.option("-n", "--namespace", help="Namespace of the DataJob. By default, that of the current context.")
_context = click.option("--context", help="Context of the kubeconfig. By default, the current one.")
_quiet = click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
_form = click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output format."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="datajob")
@_debug
def datajob() -> None:
    """Clean, filter, deduplicate and caption training data with DataJobs.

    \b
    datajob validate job.yaml      check a job
    datajob run job.yaml           run a job
    datajob submit job.yaml        run a job on a cluster
    datajob serve model.yaml       answer requests with a model
    datajob operators              list the operators
    datajob report out/clean       print the report of a run
    datajob logs clean-web         print the log of a run
    datajob analyze job.yaml       measure texts and suggest limits

    Exit codes: 0 success, 1 unexpected error, 2 invalid job or command line, 3 input error, 4 sink error,
    5 rows failed, 6 storage unavailable, 7 workers died, 8 sink in use by another run, 9 no access to the cluster,
    10 submitted job not complete, 130 interrupted.
    """


def _command(short_help: str) -> Callable[[Callable[..., Any]], click.Command]:
    return lambda function: datajob.command(short_help=short_help)(_debug(function))


@_command("Run a job on this machine or a Ray cluster.")
@click.argument("file", type=click.Path())
@_name
@_set
@click.option("--dry-run", is_flag=True, help="Print the plan without running the job.")
@click.option(
    "--resume/--fresh",
    default=True,
    help="Reuse the committed shards of an interrupted run, or repeat all shards.",
    show_default=True,
)
@_executor
@_ray_address
@_python_path
@_quiet
def run(**options: Any) -> None:
    """Run the job in FILE (- for standard input) on this machine or a Ray cluster.

    Run the same command again to resume an interrupted run.
    """
    from datajob.cli.running import run_file

    run_file(**options)


@_command("Submit a job to a cluster.")
@click.argument("file", type=click.Path())
@_name
@_set
@_namespace
@_context
@click.option(
    "--run-id",
    metavar="TEXT",
    help="Identity of the run (spec.restart.id), such as the id of a workflow. The job runs again whenever it changes.",
)
@click.option("--force-conflicts", is_flag=True, help="Take over fields that another tool manages.")
@click.option("--wait", is_flag=True, help="Follow the job to its end, and exit with its exit code.")
@click.option("--timeout", metavar="DURATION", help="Stop waiting after this time, such as 90s or 1h30m. The job continues.")
@click.option(
    "--on-termination",
    type=click.Choice(["leave", "suspend", "delete"]),
    default="leave",
    show_default=True,
    help="What happens to the job if the waiting command receives SIGTERM or Ctrl-C.",
)
@_quiet
@_form
def submit(**options: Any) -> int:
    """Apply the job in FILE (- for standard input) to a cluster, where the controller runs it.

    With --wait, prints the path of the manifest of the result at the end. An unchanged job that has ended does not run
    again; use --run-id for that. Exit codes 9 and 10: no access to the cluster, or the job did not complete.
    """
    from datajob.cli.submitting import submit_file

    return submit_file(**options)


@_command("Serve a model on this machine.")
@click.argument("file", type=click.Path())
@_name
@_set
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="Port to listen on.")
@click.option(
    "--keys",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False),
    help="Folder with one file per API key, in place of the Secret of the service.",
)
@click.option("--ray", is_flag=True, help="Run the service on Ray Serve, as on a cluster.")
@_quiet
def serve(**options: Any) -> None:
    """Run the ModelService in FILE (- for standard input) on this machine, without Kubernetes.

    Clients in the format of OpenAI connect to http://HOST:PORT/v1. The command ends after Ctrl-C or SIGTERM, when the
    requests in progress are complete.
    """
    from datajob.cli.serving import serve_file

    serve_file(**options)


@_command("Measure texts and suggest limits.")
@click.argument("file", type=click.Path())
@_name
@_set
@click.option("--column", help="Text column to measure. By default, the column of the job's first filter with limits, or text.")
@click.option(
    "--numbers", "columns", multiple=True, metavar="COLUMN", help="Also describe this numeric column. Can be repeated."
)
@click.option(
    "--measure",
    "measures",
    multiple=True,
    metavar="OPERATOR",
    help="Take the measures of this filter instead of the default ones. Can be repeated.",
)
@click.option(
    "--sample",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Fraction of the rows to measure.",
)
@click.option(
    "--after",
    metavar="STEP",
    help="Apply the steps up to and including this one first. By default, rows are measured as read.",
)
@click.option("--out", metavar="FOLDER", help="Keep the report in this folder. An interrupted analysis can then be resumed.")
@click.option("--html", metavar="FILE", type=click.Path(dir_okay=False), help="Write the report as HTML to FILE.")
@_form
@_executor
@_ray_address
@_python_path
@_quiet
def analyze(**options: Any) -> None:
    """Measure the rows of the job in FILE (- for standard input) without running the job.

    Prints the distribution of each measure, the share of rows that the limits of the filters would reject, and
    suggested limits. Nothing is written to the sink.
    """
    from datajob.cli.analyzing import analyze_file

    analyze_file(**options)


@_command("Check jobs and services without running them.")
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="FILE...")
@_set
@click.option("--import", "imports", is_flag=True, help="Also import the functions and classes that steps refer to.")
@_form
def validate(files: tuple[str, ...], overrides: tuple[str, ...], imports: bool, form: str) -> int:
    """Check the jobs and services in FILE... (- for standard input). The exit code is 2 if one of them is invalid."""
    from datajob.cli.validating import validate_files

    return validate_files(files, overrides, imports=imports, form=form)


def _operator_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from datajob.one_of import summary
    from datajob.operators.registry import all_operators

    return [CompletionItem(key, help=summary(o)) for key, o in all_operators().items() if key.startswith(incomplete)]


@_command("List or describe operators.")
@click.argument("name", required=False, shell_complete=_operator_names)
def operators(name: str | None) -> None:
    """List the operators, or describe the operator NAME and its parameters."""
    from datajob.cli.describing import describe_operator, list_operators

    click.echo(describe_operator(name) if name else list_operators())


@_command("Print the JSON Schema or the CRD.")
@click.option("--crd", is_flag=True, help="Print the CustomResourceDefinition instead.")
@click.option(
    "--kind", type=click.Choice(["DataJob", "ModelService"]), default="DataJob", show_default=True, help="Kind of the objects."
)
def schema(crd: bool, kind: str) -> None:
    """Print the JSON Schema of a DataJob or a ModelService, for editors.

    In VS Code or another editor with a YAML language server, start the job with this line:

    # yaml-language-server: $schema=datajob.schema.json
    """
    from datajob.cli.describing import schema_text

    click.echo(schema_text(kind, crd=crd), nl=False)


@_command("Print the report of a run.")
@click.argument("path", type=click.Path())
@click.option("--html", metavar="FILE", help="Write the report as HTML to FILE (- for standard output).")
@click.option("--open", "in_browser", is_flag=True, help="Open the report in a browser.")
def report(path: str, html: str | None, in_browser: bool) -> None:
    """Print the report of a run that is in progress or finished. PATH is its sink or its report.json."""
    from datajob.cli.reporting import show_report

    show_report(path, html, in_browser=in_browser)


@_command("Print the log of a run.")
@click.argument("target", metavar="NAME|PATH")
@click.option("--attempt", type=click.IntRange(min=1), help="Number of the attempt. By default, the last one.")
@_namespace
@_context
def logs(target: str, attempt: int | None, namespace: str | None, context: str | None) -> None:
    """Print the log of the driver of a run, also after its pods are gone.

    NAME is a DataJob in a cluster, which is read with kubectl. PATH is the sink of any run, such as s3://bucket/folder/ or
    ./out. Runs on clusters and local runs store their logs next to the output.
    """
    from datajob.cli.logs import show_logs

    show_logs(target, attempt=attempt, namespace=namespace, context=context)


@_command("Print version information.")
def version() -> None:
    """Print the versions of datajob and of the packages that it uses."""
    from datajob.cli.describing import versions

    click.echo(versions())


@_command("Print a shell completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash: datajob completion bash > ~/.local/share/bash-completion/completions/datajob
    zsh:  datajob completion zsh > "${fpath[1]}/_datajob"
    fish: datajob completion fish > ~/.config/fish/completions/datajob.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(datajob, {}, "datajob", "_DATAJOB_COMPLETE").source())
