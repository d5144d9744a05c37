"""Runs code on encoded media in a child process, which can crash, hang or exhaust its memory without harm."""

from datajob.media.isolation.progress import progress_made as progress_made
from datajob.media.isolation.runner import Limits as Limits
from datajob.media.isolation.runner import close as close
from datajob.media.isolation.runner import run_isolated as run_isolated
