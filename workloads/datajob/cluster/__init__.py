"""Code that runs only on a cluster: the entrypoint of the Ray job, and the report for the controller."""
