"""What a RayService and its pods state about a service: pure functions, one file per subject."""
