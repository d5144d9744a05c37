"""Alerts and a dashboard for ModelServices, from the metrics of the controller and of the applications."""
