"""The controller's memory of the cluster: DataJobs and what belongs to them, trimmed, kept up to date by watches.

Answers of the API server to our own writes are remembered too, so that a decision never rests on less than what was just done.
"""

from datajob.api.contract import LABEL_ATTEMPT, LABEL_UID, REPORT_KEY
from datajob_controller.datajob.policy.pods import GONE, is_head
from datajob_controller.runtime.manifests import Manifest

Key = tuple[str, str]
"""Namespace and name of a DataJob."""

_POD_STATUS = ("phase", "conditions", "startTime", "containerStatuses", "initContainerStatuses", "message", "reason")
MAX_GONE = 8
"""Ended pods that are remembered per DataJob after they are deleted: enough to tell a crash loop."""


class Store:
    """All that is known; one per process."""

    def __init__(self) -> None:
        self.datajobs: dict[Key, Manifest] = {}
        self._keys: dict[str, Key] = {}
        self._owned: dict[str, dict[tuple[str, str], Manifest]] = {}

    def put_datajob(self, datajob: Manifest) -> Key:
        """Remember a DataJob, unless something newer is known."""
        key = _key(datajob)
        known = self.datajobs.get(key)
        if known is None or not _is_older(datajob, known):
            self.datajobs[key] = trimmed(datajob)
            self._keys[datajob["metadata"]["uid"]] = key
        return key

    def drop_datajob(self, datajob: Manifest) -> None:
        """Forget a DataJob and all that was its own."""
        key, uid = _key(datajob), datajob["metadata"]["uid"]
        if self.datajobs.get(key, {}).get("metadata", {}).get("uid") == uid:
            del self.datajobs[key]
        self._keys.pop(uid, None)
        self._owned.pop(uid, None)

    def put(self, manifest: Manifest) -> Key | None:
        """Remember an object; tells which DataJob it belongs to, if that is known."""
        uid = manifest["metadata"].get("labels", {}).get(LABEL_UID, "")
        owned = self._owned.setdefault(uid, {})
        known = owned.get(_name(manifest))
        if known is None or not _is_older(manifest, known):
            owned[_name(manifest)] = trimmed(manifest)
        return self._keys.get(uid)

    def drop(self, manifest: Manifest) -> Key | None:
        """Forget a deleted object. Of pods, heads and failures are remembered as gone until their RayJob goes."""
        uid = manifest["metadata"].get("labels", {}).get(LABEL_UID, "")
        owned = self._owned.get(uid, {})
        owned.pop(_name(manifest), None)
        if manifest["kind"] == "RayJob":
            self._forget_gone_pods(owned, manifest["metadata"]["labels"].get(LABEL_ATTEMPT))
        if manifest["kind"] == "Pod" and (is_head(manifest) or manifest.get("status", {}).get("phase") == "Failed"):
            kept = [name for name, pod in owned.items() if GONE in pod["metadata"].get("annotations", {})]
            if len(kept) >= MAX_GONE:
                del owned[kept[0]]
            gone = trimmed(manifest)
            gone["metadata"]["annotations"] = {GONE: "true"}
            owned[_name(manifest)] = gone
        if not owned:
            self._owned.pop(uid, None)
        return self._keys.get(uid)

    def _forget_gone_pods(self, owned: dict[tuple[str, str], Manifest], attempt: str | None) -> None:
        for name, found in list(owned.items()):
            meta = found["metadata"]
            if GONE in meta.get("annotations", {}) and meta["labels"].get(LABEL_ATTEMPT) == attempt:
                del owned[name]

    def of(self, uid: str, kind: str) -> dict[str, Manifest]:
        """The objects of one kind that belong to a DataJob, by name."""
        return {name: found for (k, name), found in self._owned.get(uid, {}).items() if k == kind}


def trimmed(manifest: Manifest) -> Manifest:
    """What decisions need of an object, without what only takes memory."""
    meta = {
        key: value for key, value in manifest["metadata"].items() if key not in ("managedFields", "annotations", "selfLink")
    }
    kept: Manifest = {"kind": manifest["kind"], "metadata": meta}
    match manifest["kind"]:
        case "DataJob":
            kept |= {key: manifest[key] for key in ("apiVersion", "spec", "status") if key in manifest}
        case "RayJob":
            kept["spec"] = {"suspend": manifest.get("spec", {}).get("suspend", False)}
            status = manifest.get("status", {})
            kept["status"] = {key: value for key, value in status.items() if key != "rayClusterStatus"}
        case "ConfigMap":
            report = (manifest.get("data") or {}).get(REPORT_KEY)
            kept["data"] = {REPORT_KEY: report} if report else {}
        case "Pod":
            kept["spec"] = _pod_spec(manifest.get("spec", {}))
            kept["status"] = {key: value for key, value in manifest.get("status", {}).items() if key in _POD_STATUS}
    return kept


def _pod_spec(spec: Manifest) -> Manifest:
    containers = [{"name": c["name"], "resources": c.get("resources", {})} for c in spec.get("containers", ())[:1]]
    return {"containers": containers, **({"nodeSelector": spec["nodeSelector"]} if "nodeSelector" in spec else {})}


def _is_older(manifest: Manifest, known: Manifest) -> bool:
    """Whether a version precedes the known one of the same object."""
    new, old = manifest["metadata"], known["metadata"]
    return bool(new.get("uid") == old.get("uid") and int(new.get("resourceVersion", 0)) < int(old.get("resourceVersion", 0)))


def _key(manifest: Manifest) -> Key:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _name(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]
