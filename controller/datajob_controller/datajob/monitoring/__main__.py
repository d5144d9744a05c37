"""`python -m datajob_controller.datajob.monitoring [--check]` generates manifests/monitoring."""

import sys

from datajob_controller.datajob.monitoring.files import FOLDER, manifests


def main() -> int:
    """Write the files; with --check, list the ones that are out of date."""
    stale = [name for name, text in manifests().items() if not (FOLDER / name).exists() or (FOLDER / name).read_text() != text]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"{name} is out of date: run make generate")
        return bool(stale)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(manifests()[name])
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
