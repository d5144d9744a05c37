"""What the dashboards and alerts of all kinds are made of."""
