"""The machinery of the controller: API access, watches, queue, leader election, reconciliation, probes and metrics.

Serves any `Kind` and imports none.
"""
