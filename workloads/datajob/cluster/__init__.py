"""What runs on a cluster only: the entrypoint of the Ray job, and the report it writes for the controller."""
