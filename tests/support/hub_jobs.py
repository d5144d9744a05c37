"""Jobs that write data sets of Hugging Face, and what the library `datasets` loads of them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from datajob.formats._hub_configs import card_parts
from tests.support.hub import Hub
from tests.support.local_jobs import Rows, make_job, write_parts

ROWS: Rows = [{"id": i, "text": f"row {i}", "part": ("train", "test", "dev.new")[i % 3]} for i in range(60)]
PLAIN = [{"id": row["id"], "text": row["text"]} for row in ROWS]


def job(tmp_path: Path, source: str = "in", **sink: Any) -> Any:
    return make_job(tmp_path / source, tmp_path, sink={"huggingface": {"path": str(tmp_path / "out"), **sink}})


def write_input(tmp_path: Path, rows: Rows = PLAIN, name: str = "in") -> None:
    write_parts(tmp_path / name, rows, 3)


def loaded(folder: Path, *config: str) -> dict[str, Rows]:
    """The splits, as the library loads the folder. It checks the numbers of rows in the card."""
    import datasets

    found = datasets.load_dataset(
        str(folder), *config, cache_dir=str(folder.parent / f"cache-{len(list(folder.parent.iterdir()))}")
    )
    return {str(split): sorted(data.to_list(), key=lambda row: row["id"]) for split, data in found.items()}


def card(folder: Path) -> dict[str, Any]:
    return card_parts((folder / "README.md").read_text())[0]


LOAD = """
import datasets, json, sys
found = datasets.load_dataset(*sys.argv[1:], cache_dir=sys.argv[1] + "-cache" if "/tmp" in sys.argv[1] else "cache")
print(json.dumps({str(split): sorted(data.to_list(), key=lambda row: row["id"]) for split, data in found.items()}))
"""


def from_hub(hub: Hub, tmp_path: Path, *arguments: str) -> Any:
    """What the library loads from the stand-in, in a process of its own because it reads the address at its start."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": hub.token,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
