"""The kind DataJob: one RayJob per attempt, and what goes with it. Everything here is pure except the metrics."""
