"""top: keep the rows with the highest values of a column."""

from __future__ import annotations

from datajob.operators.ranks import Highest


class Top(Highest):
    """Keep the rows with the highest values of a column: a fraction or a number of all rows of the job.

    The limit is exact, across all files and workers, and does not depend on how the input is split. Of equal values at the
    limit, the rows that come first in the input are kept. Rows keep their order. Null and NaN have no rank: these rows are
    rejected with the reason `no_value` and do not count for `fraction`. Data-Juicer's `topk_specified_field_selector` has the
    same purpose.

    Example:

        - top: {by: similarity, fraction: 0.3}
        - top: {by: price, count: 1000, lowest: true}
    """
