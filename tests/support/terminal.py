"""A terminal of a user: commands of the documentation with kubectl, whose context has the namespace of a test."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.support.controller_process import ROOT
from tests.support.node_jobs import NodeJobs

SECONDS = 120


class Terminal:
    """Runs commands in the namespace of `jobs`, as an administrator or as `user`."""

    def __init__(self, jobs: NodeJobs, folder: Path, user: str = "") -> None:
        config: dict[str, Any] = yaml.safe_load(Path(jobs.cluster.kubeconfig).read_text())
        for context in config["contexts"]:
            context["context"]["namespace"] = jobs.namespace
        if user:
            for one in config["users"]:
                one["user"]["as"] = user
        kubeconfig = folder / f"kubeconfig-{user}"
        kubeconfig.write_text(yaml.safe_dump(config))
        programs = (Path(jobs.cluster.kubectl_program).parent, Path(sys.executable).parent)
        path = ":".join([*map(str, programs), os.environ["PATH"]])
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": path}

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script to its end."""
        env = {**self._environment, **environment}
        return subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=SECONDS)

    @contextmanager
    def running(self, script: str) -> Iterator["subprocess.Popen[str]"]:
        """A script that runs until the end of the `with` block. Its last command replaces the shell."""
        *first, last = script.strip().splitlines()
        script = "\n".join([*first, f"exec {last}"])
        with subprocess.Popen(["bash", "-c", script], env=self._environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.terminate()


def documented(page: str, section: str, number: int) -> str:
    """A block of shell commands in a section of a page of the documentation."""
    text = (ROOT / "docs" / page).read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    return text.split("```sh\n")[number].split("```")[0]
