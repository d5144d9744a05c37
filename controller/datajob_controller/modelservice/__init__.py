"""The kind ModelService: one RayService, whose replicas answer requests, and what goes with it. Everything here is pure."""
