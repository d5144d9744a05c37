"""Alerts and a dashboard for DataJobs, next to the metrics that they query."""
