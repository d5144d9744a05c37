"""The controller: `runtime` serves any kind of object; one package per kind decides what its objects need."""
