"""One object in the memory of the controller, compressed while no decision about it is expected."""

import json
import zlib

from datajob_controller.runtime.manifests import Manifest

_LEVEL = 1


class Stored:
    """An object whose identity can be read without decompressing it."""

    __slots__ = ("_held", "gone", "kind", "name", "namespace", "uid", "version")

    def __init__(self, manifest: Manifest, *, gone: bool = False) -> None:
        meta = manifest["metadata"]
        self.kind: str = manifest["kind"]
        self.namespace: str = meta.get("namespace", "")
        self.name: str = meta["name"]
        self.uid: str = meta.get("uid", "")
        self.version = int(meta.get("resourceVersion", 0))
        self.gone = gone
        """Whether the object was deleted, but decisions still depend on it."""
        self._held: Manifest | bytes = manifest

    @property
    def manifest(self) -> Manifest:
        """The object. Can be called by any thread."""
        held = self._held
        if isinstance(held, bytes):
            unpacked: Manifest = json.loads(zlib.decompress(held))
            return unpacked
        return held

    @property
    def is_packed(self) -> bool:
        """Whether the object is compressed."""
        return isinstance(self._held, bytes)

    def set_packed(self, packed: bool) -> None:
        """Compress the object, which then needs about a tenth of the memory, or decompress it."""
        if packed and not isinstance(self._held, bytes):
            self._held = zlib.compress(json.dumps(self._held, separators=(",", ":")).encode(), _LEVEL)
        elif not packed:
            self._held = self.manifest

    def includes(self, manifest: Manifest) -> bool:
        """Whether `manifest` is an earlier version of this object, or this one, as in a list after a watch has reported it."""
        version = int(manifest["metadata"].get("resourceVersion", 0))
        return self.is_same(manifest) and (self.version > version or self.version == version > 0)

    def is_same(self, manifest: Manifest) -> bool:
        """Whether `manifest` is a version of this object, and not a namesake."""
        return bool(self.uid == manifest["metadata"].get("uid", ""))
