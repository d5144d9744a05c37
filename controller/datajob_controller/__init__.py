"""The kopf controller: DataJob in, RayJob out."""
