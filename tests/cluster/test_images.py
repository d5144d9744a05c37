"""Images are built without an engine, and a build that was killed does not affect the next one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hack.cluster import images
from hack.cluster.sandbox import ROOT
from hack.cluster.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.root, pytest.mark.timeout(900)]

IMAGE = "localhost/killed-build:test"
SLEEP = "sleep 4321"

BUILD = """
import sys
from pathlib import Path
from hack.cluster import images
images.build(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[2]) / "Containerfile", images.base_arguments())
"""


@pytest.fixture(autouse=True)
def _able() -> None:
    if images.docker_runs():
        pytest.skip("with Docker, builds are Docker's business")
    if os.geteuid() != 0:
        pytest.skip("buildah and debootstrap need root")


def sleepers() -> list[str]:
    return subprocess.run(["pgrep", "--full", f"^{SLEEP}"], capture_output=True, text=True).stdout.split()


def mounts() -> list[str]:
    # Field 5 is the mount point: ids and the rest differ from mount to mount.
    return sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())


def test_a_killed_build_leaves_no_process_and_no_mount_and_the_next_one_works(tmp_path: Path) -> None:
    images.base_arguments()
    before = mounts()
    containerfile = tmp_path / "Containerfile"
    containerfile.write_text(f"ARG BASE_IMAGE\nFROM ${{BASE_IMAGE}}\nRUN {SLEEP}\n")
    build = subprocess.Popen([sys.executable, "-c", BUILD, IMAGE, str(tmp_path)], cwd=ROOT)
    wait_for(sleepers, "the step of the build")
    build.kill()
    build.wait()
    wait_for(lambda: not sleepers(), "the end of the step")
    assert mounts() == before
    containerfile.write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN touch /done\n")
    images.build(IMAGE, tmp_path, containerfile, images.base_arguments())
    assert images.exists(IMAGE)


def test_a_failing_step_is_reported_with_its_output(tmp_path: Path) -> None:
    containerfile = tmp_path / "Containerfile"
    containerfile.write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo so it goes && false\n")
    with pytest.raises(RuntimeError, match="so it goes"):
        images.build(IMAGE, tmp_path, containerfile, images.base_arguments())
