"""The language of services: ModelService spec and status as frozen models. A service answers requests with one model."""

KIND = "ModelService"
