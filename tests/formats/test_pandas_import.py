"""When pyarrow imports pandas."""

import subprocess
import sys

POSTPONED = """
import sys
import pyarrow as pa
from datajob.formats._pandas_import import postpone_pandas, recognize_pandas
postpone_pandas()
pa.array([1, 2])
print("pandas" in sys.modules)
recognize_pandas()
import pandas as pd
print(pa.array(pd.Series([1.0, float("nan")])).null_count)
"""
DEFAULT = """
import pyarrow as pa
import pandas as pd
from datajob.formats._pandas_import import postpone_pandas
postpone_pandas()
print(pa.array(pd.Series([1.0, float("nan")])).null_count)
"""


def _printed(program: str) -> list[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()


def test_pandas_is_imported_only_when_user_code_needs_it_and_its_objects_are_recognized_then() -> None:
    assert _printed(POSTPONED) == ["False", "1"]


def test_pandas_that_is_already_imported_stays_recognized() -> None:
    assert _printed(DEFAULT) == ["1"]
