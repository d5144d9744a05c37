"""Whether and when a failed attempt is retried."""

from datetime import datetime, timedelta

from datajob.api.spec import Retry
from datajob_controller.datajob.policy.failure import Failure


def may_retry(failure: Failure, failures: int, retry: Retry) -> bool:
    """Whether another attempt can help; `failures` includes this one."""
    return failure.retried and failures <= retry.limit


def next_attempt_at(failed_at: datetime, failures: int, retry: Retry, longest: int) -> datetime:
    """When the next attempt starts. The delay doubles with each failure, up to `longest` seconds; disruptions do not count."""
    seconds = min(retry.backoff_seconds * 2.0 ** min(max(failures, 1) - 1, 32), longest)
    return failed_at + timedelta(seconds=seconds)


def shortened_delay(retry: Retry, longest: int) -> str:
    """A note for the Event of a retry if the controller does not wait as long as the job states."""
    if retry.backoff_seconds <= longest:
        return ""
    return f" (the setting max_backoff_seconds of the controller limits spec.retry.backoffSeconds to {longest} s)"
