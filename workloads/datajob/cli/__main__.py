"""`python -m datajob.cli`."""

from datajob.cli import main

main()
