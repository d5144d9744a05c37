"""The list of licenses of the workload image names every package with a copyleft part, and the image contains the texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

WORKLOADS = Path(__file__).parents[2] / "workloads"
COPYLEFT = re.compile(r"\b(A?GPL|LGPL|GPLv\d|LGPLv\d|MPL|EPL|CDDL|Mozilla|GNU)\b", re.IGNORECASE)
BUNDLED = re.compile(
    r"/lib[^/]*(avcodec|x264|x265|gnutls|gmp|sndfile|soxr|gfortran|quadmath|geos)[^/]*\.so|_soundfile_data/lib"
)
"""Libraries under copyleft licenses, or with exceptions, in wheels with other licenses."""


def image_extras() -> list[str]:
    """The extras of the images."""
    found = re.search(r'^media="([^"]+)"', (WORKLOADS / "requirements.sh").read_text(), re.MULTILINE)
    assert found is not None
    return [*found[1].split(), "llava"]


def installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:  # for example, torch in the environment of most tests
        return None


def image_packages() -> dict[str, Distribution]:
    """The installed packages that the images contain as well."""
    found: dict[str, Distribution] = {}
    todo = [("datajob", extra) for extra in image_extras()]
    seen = set(todo)
    while todo:
        name, extra = todo.pop()
        if (package := installed(name)) is None:
            continue
        found[name] = package
        for requirement in map(Requirement, package.requires or ()):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
                continue
            wanted = {(canonicalize_name(requirement.name), other) for other in ("", *requirement.extras)}
            todo += sorted(wanted - seen)
            seen |= wanted
    return found


def copyleft(package: Distribution) -> Iterator[str]:
    """What of a package is under a copyleft license."""
    stated = [package.metadata.get("License-Expression") or (package.metadata.get("License") or "").partition("\n")[0]]
    stated += [text for text in package.metadata.get_all("Classifier") or [] if text.startswith("License ::")]
    yield from (text for text in stated if COPYLEFT.search(text))
    yield from (str(file) for file in package.files or () if BUNDLED.search(f"/{file}"))


def test_the_list_names_every_package_with_a_copyleft_part() -> None:
    listed = {
        canonicalize_name(re.sub(r" \(.*", "", name))
        for names in re.findall(r"^\| ([^|]+) \|", (WORKLOADS / "LICENSES.md").read_text(), re.MULTILINE)
        for name in names.split(", ")
    }
    packages = image_packages()
    assert {"av", "soundfile", "soxr", "opencv-python-headless", "ray"} <= packages.keys()
    missing = {name: parts for name, package in packages.items() if name not in listed and (parts := [*copyleft(package)])}
    assert not missing, "name these packages in workloads/LICENSES.md"


def test_the_image_contains_the_list_and_the_texts() -> None:
    dockerfile = (WORKLOADS / "Dockerfile").read_text()
    assert "COPY LICENSE workloads/LICENSES.md /usr/share/doc/datajob/\n" in dockerfile
    assert "COPY workloads/licenses /usr/share/doc/datajob/licenses/\n" in dockerfile
    assert dockerfile.index("/usr/share/doc/datajob/") > dockerfile.rindex("\nFROM "), "in the last stage"
    named = set(re.findall(r"\b(?:L?GPL|MPL)-\d\.\d", (WORKLOADS / "LICENSES.md").read_text()))
    assert {"GPL-2.0", "LGPL-2.1", "MPL-2.0"} < named
    assert named <= {file.stem for file in (WORKLOADS / "licenses").iterdir()}
