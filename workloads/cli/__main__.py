"""`python -m workloads.cli`."""

from workloads.cli import main

main()
