"""Take the screenshot of the README: run the demo and render its report with a headless Chromium.

Usage: python -m hack.report_image
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hack.cluster import packages

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "manifests" / "samples" / "clean-docs.yaml"
IMAGE = ROOT / "docs" / "images" / "report.png"
SIZE = "1000,1180"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Run the job, then take the screenshot of its report."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo"
        sets = [f"spec.sink.parquet.path={out}", f"spec.rejects.path={folder}/rejects"]
        run = [str(Path(sys.executable).parent / "datajob"), "run", "--quiet", "--fresh", str(SAMPLE)]
        subprocess.run([*run, *(part for value in sets for part in ("--set", value))], cwd=ROOT, check=True)
        page = out / "_datajob" / "report.html"
        subprocess.run([*_browser(folder), f"--screenshot={IMAGE}", page.as_uri()], capture_output=True, check=True)
    print(IMAGE.relative_to(ROOT))
    return 0


def _browser(folder: str) -> list[str]:
    if not any(map(shutil.which, BROWSERS)):
        packages.ensure({"chromium": "chromium"})
    program = next(found for name in BROWSERS if (found := shutil.which(name)))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={SIZE}"]
    return [program, *options, f"--user-data-dir={folder}/chromium"]


if __name__ == "__main__":
    sys.exit(main())
