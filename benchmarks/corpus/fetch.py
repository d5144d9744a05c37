"""Download Debian packages into a cache and harvest their documents there.

Requires `apt-cache`, `apt-get` and `dpkg-deb`. Installs nothing and changes nothing outside the cache. A harvest is a JSON
Lines file named after the package and its version, which is created once.
"""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.corpus.documents import documents_of

READERS = 1  # Increment when a change in the readers or the splitting affects harvests.
TOOLS = ("apt-cache", "apt-get", "dpkg-deb")


class CorpusError(Exception):
    """The corpus cannot be built. The message explains what to do."""


def default_cache() -> Path:
    """The cache folder for downloaded packages and harvests."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "datajob" / "corpus"


def available(packages: list[str]) -> dict[str, str]:
    """The version of each package that is in the package lists of this machine, in the given order."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise CorpusError(
            f"{' and '.join(missing)} not found. The corpus consists of Debian packages: "
            "build it on Debian or in a Debian container"
        )
    shown = subprocess.run(["apt-cache", "show", "--no-all-versions", *packages], capture_output=True, text=True)
    found: dict[str, str] = {}
    for stanza in shown.stdout.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version): (.*)$", stanza, re.MULTILINE))
        if len(fields) == 2:
            found[fields["Package"]] = fields["Version"]
    if not found:
        raise CorpusError("apt finds none of the documentation packages; run `apt-get update` first")
    return {package: found[package] for package in packages if package in found}


def harvest(package: str, version: str, cache: Path) -> Path:
    """The documents of a package as JSON Lines, from the cache or downloaded."""
    name = f"{package}_{version.replace(':', '%3a')}"
    harvested = cache / f"{name}.r{READERS}.jsonl"
    if harvested.exists():
        return harvested
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="making-") as folder:
        making = Path(folder)
        archive = cache / f"{name}.deb"
        if not archive.exists():
            _run(["apt-get", "download", "--quiet=2", f"{package}={version}"], making)
            next(making.glob("*.deb")).replace(archive)
        unpacked = making / "unpacked"
        unpacked.mkdir()
        _run(["dpkg-deb", "--extract", str(archive), str(unpacked)], making)
        lines = making / "documents.jsonl"
        with lines.open("w", encoding="utf-8") as file:
            for document in documents_of(package, unpacked):
                file.write(json.dumps(dataclasses.asdict(document), ensure_ascii=False) + "\n")
        lines.replace(harvested)
    return harvested


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise CorpusError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
