"""Writes the files generated from the models: the CRDs, the schemas for editors, the reference pages, type stubs.

`python -m datajob.api.generate` writes the files. `--check` fails with a diff if a file is out of date.
"""

import argparse
import json
import sys
from difflib import unified_diff
from pathlib import Path

from datajob.api.crd import crd_yaml
from datajob.api.jsonschema import editor_schema
from datajob.api.reference import datajob_page, exit_codes_page, formats_page, operators_page
from datajob.api.service.crd import service_crd_yaml, service_editor_schema_text
from datajob.api.service.reference import service_page
from datajob.api.stubs import stubs

ROOT = Path(__file__).parents[3]


def generated() -> dict[str, str]:
    """The text of each generated file, by its path in the repository."""
    return {
        "manifests/crd/datajobs.datajob.io.yaml": crd_yaml(),
        "helm/datajob-operator/files/datajobs-crd.yaml": crd_yaml(),
        "manifests/crd/modelservices.datajob.io.yaml": service_crd_yaml(),
        "helm/datajob-operator/files/modelservices-crd.yaml": service_crd_yaml(),
        "docs/modelservice.schema.json": service_editor_schema_text(),
        "docs/reference/modelservice.md": service_page(),
        "docs/datajob.schema.json": json.dumps(editor_schema(), indent=1, ensure_ascii=False) + "\n",
        "docs/reference/operators.md": operators_page(),
        "docs/reference/formats.md": formats_page(),
        "docs/reference/datajob.md": datajob_page(),
        "docs/reference/exit-codes.md": exit_codes_page(),
        **{f"workloads/datajob/{module}.pyi": text for module, text in stubs().items()},
    }


def drift(root: Path) -> str:
    """The diff between the files below `root` and the generated ones; empty if they are equal."""
    found: list[str] = []
    for name, wanted in generated().items():
        path = root / name
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        found += unified_diff(there.splitlines(True), wanted.splitlines(True), name, f"{name} (from the models)")
    return "".join(found)


def write(root: Path) -> None:
    """Write every generated file below `root`."""
    for name, text in generated().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main() -> int:
    """The command. Returns 1 if `--check` finds a difference."""
    parser = argparse.ArgumentParser(description="Write the files that are generated from the models.")
    parser.add_argument("--check", action="store_true", help="only check whether the files are up to date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository")
    options = parser.parse_args()
    if not options.check:
        write(options.root)
        return 0
    differences = drift(options.root)
    if differences:
        sys.stderr.write(f"{differences}\nGenerated files are out of date: run `python -m datajob.api.generate`.\n")
    return 1 if differences else 0


if __name__ == "__main__":
    raise SystemExit(main())
