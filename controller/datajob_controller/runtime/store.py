"""The controller's memory of the cluster: served objects and what belongs to them, kept up to date by watches.

Responses of the API server to the controller's own writes are remembered too, so that a decision always includes what the
previous one did.
"""

import time
from collections.abc import Callable, Iterable
from itertools import chain
from typing import NamedTuple

from datajob_controller.runtime.kind import GONE, Kind, OwnedKind
from datajob_controller.runtime.manifests import Manifest, owner_uid
from datajob_controller.runtime.stored import Stored

ORPHAN_SECONDS = 60.0
"""An object whose owner is still unknown after this time is forgotten."""
MAX_GONE = 8
"""Deleted objects that are remembered per owner: enough to recognize a crash loop."""
_NOISE = ("managedFields", "annotations", "selfLink")


class Key(NamedTuple):
    """Identifies a served object."""

    kind: str
    namespace: str
    name: str


class Store:
    """Everything that is known; one per process."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        self._owned_kinds = {owned.resource.kind for kind in self._kinds.values() for owned in kind.owned}
        self._objects: dict[Key, Stored] = {}
        self._keys: dict[str, Key] = {}
        self._owned: dict[tuple[str, str], dict[tuple[str, str], Stored]] = {}
        """By namespace and UID of the owner, then by kind and name."""
        self._early: dict[tuple[str, str], float] = {}
        """When the first object of an unknown owner arrived."""

    def get(self, key: Key) -> Manifest | None:
        """A served object."""
        found = self._objects.get(key)
        return found.manifest if found else None

    def all_keys(self) -> list[Key]:
        """The keys of all served objects."""
        return list(self._objects)

    def changed(self, manifest: Manifest, *, deleted: bool = False) -> list[Key]:
        """Remember or forget any watched object; returns the keys of the served objects to decide about."""
        keys: list[Key | None] = []
        if manifest["kind"] in self._kinds:
            if deleted:
                self.drop(manifest)
            else:
                keys.append(self.put(manifest))
        if manifest["kind"] in self._owned_kinds and owner_uid(manifest):
            keys.append(self.drop_owned(manifest) if deleted else self.put_owned(manifest))
        return [key for key in keys if key]

    def put(self, manifest: Manifest) -> Key:
        """Remember a served object unless a newer version is known."""
        key, uid = _key(manifest), manifest["metadata"]["uid"]
        known = self._objects.get(key)
        if known is None or not known.includes(manifest):
            kind = self._kinds[key.kind]
            self._objects[key] = Stored(_kept(manifest, kind.keep))
            if uid not in self._keys:
                self._keys[uid] = key
                self._check_early(key, uid)
            for one in (self._objects[key], *self._owned.get((key.namespace, uid), {}).values()):
                one.set_packed(kind.rests(manifest))
        return key

    def drop(self, manifest: Manifest) -> None:
        """Forget a served object and everything that belongs to it."""
        key, uid = _key(manifest), manifest["metadata"]["uid"]
        if key in self._objects and self._objects[key].uid == uid:
            del self._objects[key]
        self._keys.pop(uid, None)
        self._owned.pop((key.namespace, uid), None)

    def drop_namespace(self, namespace: str) -> None:
        """Forget everything in a namespace that is no longer watched."""
        for key in [key for key in self._objects if key.namespace == namespace]:
            self._keys.pop(self._objects.pop(key).uid, None)
        for place in [place for place in self._owned if place[0] == namespace]:
            del self._owned[place]

    def put_owned(self, manifest: Manifest) -> Key | None:
        """Remember an owned object; returns the key of its owner if that is known. An object that only has the label of an
        owner, but does not belong to it, is ignored."""
        place, name = _owner_of(manifest), _name(manifest)
        key = self._key_of(place)
        known = self._owned.get(place, {}).get(name)
        if known is not None and not known.is_same(manifest):
            known = None
        if key and known is None and not self._belongs(key, manifest):
            return None
        if known is None or not known.includes(manifest):
            rules = self._rules(key, manifest["kind"])
            made = self._owned.setdefault(place, {})[name] = Stored(_kept(manifest, rules.keep if rules else _keep_all))
            if key is None:
                self._early.setdefault(place, time.monotonic())
            else:
                made.set_packed(self._objects[key].is_packed)
        return key

    def drop_owned(self, manifest: Manifest) -> Key | None:
        """Forget a deleted object, or remember it as gone; returns the key of its owner if that is known."""
        place, name = _owner_of(manifest), _name(manifest)
        key, owned = self._key_of(place), self._owned.get(place, {})
        known = name in owned and owned[name].is_same(manifest)
        if not known and not (key and self._belongs(key, manifest)):
            return None
        if known:
            del owned[name]
        rules = self._rules(key, manifest["kind"])
        for other, found in list(owned.items()):
            if found.gone and (of_found := self._rules(key, found.kind)) and of_found.forgets(found.manifest, manifest):
                del owned[other]
        if rules and rules.remembers(manifest, [one.manifest for one in owned.values()]):
            self._remember(self._owned.setdefault(place, owned), _kept(manifest, rules.keep))
        if not owned:
            self._owned.pop(place, None)
        return key

    def owned(self, uid: str) -> dict[str, dict[str, Manifest]]:
        """The objects that belong to an owner, by kind and name."""
        key, found = self._keys.get(uid), dict[str, dict[str, Manifest]]()
        for (kind, name), stored in self._owned.get((key.namespace, uid), {}).items() if key else ():
            found.setdefault(kind, {})[name] = stored.manifest
        return found

    def all(self, kind: str) -> list[Stored]:
        """All served objects of a kind. Can be called by any thread."""
        return [stored for key, stored in list(self._objects.items()) if key.kind == kind]

    def known(self, kind: str) -> list[Stored]:
        """All objects of a kind, served or owned, that exist as far as is known."""
        owned = chain.from_iterable(found.values() for found in self._owned.values())
        return [*self.all(kind), *(one for one in owned if one.kind == kind and not one.gone)]

    def forget_orphans(self, seconds: float = ORPHAN_SECONDS) -> None:
        """Forget the objects of owners that are still unknown after some time, because they were deleted."""
        now = time.monotonic()
        for place in [place for place, since in self._early.items() if now - since >= seconds]:
            del self._early[place]
            if self._key_of(place) is None:
                self._owned.pop(place, None)

    def _remember(self, owned: dict[tuple[str, str], Stored], manifest: Manifest) -> None:
        gone = [name for name, found in owned.items() if found.gone]
        if len(gone) >= MAX_GONE:
            del owned[gone[0]]
        manifest["metadata"]["annotations"] = {GONE: "true"}
        owned[_name(manifest)] = Stored(manifest, gone=True)

    def _key_of(self, place: tuple[str, str]) -> Key | None:
        """The owner with that UID, if it is known and in that namespace."""
        namespace, uid = place
        key = self._keys.get(uid)
        return key if key and key.namespace == namespace else None

    def _belongs(self, key: Key, manifest: Manifest) -> bool:
        rules, owner = self._rules(key, manifest["kind"]), self.get(key)
        return bool(rules and owner and rules.belongs(owner, manifest))

    def _rules(self, key: Key | None, kind: str) -> OwnedKind | None:
        """How objects of a kind are kept for an owner; None while the owner is unknown."""
        owned = self._kinds[key.kind].owned if key else ()
        return next((one for one in owned if one.resource.kind == kind), None)

    def _check_early(self, key: Key, uid: str) -> None:
        """Objects that arrived before their owner were kept whole, since only the owner decides what belongs to it."""
        self._early.pop((key.namespace, uid), None)
        early = self._owned.pop((key.namespace, uid), {})
        for stored in early.values():
            self.put_owned(stored.manifest)


def _kept(manifest: Manifest, keep: Callable[[Manifest], Manifest]) -> Manifest:
    meta = {key: value for key, value in manifest["metadata"].items() if key not in _NOISE}
    return {**keep(manifest), "kind": manifest["kind"], "metadata": meta}


def _keep_all(manifest: Manifest) -> Manifest:
    return manifest


def _owner_of(manifest: Manifest) -> tuple[str, str]:
    """Namespace and UID of the owner, according to the label."""
    return manifest["metadata"].get("namespace", ""), owner_uid(manifest) or ""


def _key(manifest: Manifest) -> Key:
    return Key(manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])


def _name(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]
