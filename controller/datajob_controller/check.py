"""`python -m datajob_controller.check`: checks an installation from inside the cluster. `helm test` runs it.

Prints one line for each check, and exits with 1 if one of them failed.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime

from datajob_controller.__main__ import read_settings
from datajob_controller.runtime.claims import cannot_be_claimed
from datajob_controller.runtime.kind import Kind
from datajob_controller.runtime.kube import UNREACHABLE, Kube, load_configuration
from datajob_controller.runtime.manifests import parse_time
from datajob_controller.runtime.namespaces import first_denied
from datajob_controller.runtime.resources import Resource
from datajob_controller.runtime.settings import Settings

_ROLES = "apply the roles and bindings of the chart or of manifests/rbac"
LEADER_SECONDS = 60
"""How long to wait for a leader, which a new installation may not have yet."""


def main() -> int:
    """Run all checks with the settings from the environment."""
    settings, kinds = read_settings(os.environ)
    print("ok: the settings are valid", flush=True)
    return asyncio.run(_all_hold(settings, kinds))


async def _all_hold(settings: Settings, kinds: tuple[Kind, ...]) -> int:
    resources = {resource.kind: resource for kind in kinds for resource in kind.resources}
    failed = 0
    async with Kube(await load_configuration(), resources.values()) as kube:
        try:
            for checks in (_served(kube, resources), _permitted(kube, settings, resources), _led(kube, settings)):
                async for problem, success in checks:
                    failed += bool(problem)
                    print(f"failed: {problem}" if problem else f"ok: {success}", flush=True)
        except UNREACHABLE as error:
            failed += 1
            print(f"failed: the API server refused a request or did not answer: {error!r}", flush=True)
    return int(failed > 0)


async def _served(kube: Kube, resources: Mapping[str, Resource]) -> AsyncIterator[tuple[str, str]]:
    for kind in (kind for kind, resource in resources.items() if not resource.optional):
        hint = "install the KubeRay operator" if kind.startswith("Ray") else "install the CustomResourceDefinition"
        served = await kube.serves(kind)
        yield "" if served else f"the API server does not serve {kind}: {hint}", f"the API server serves {kind}"


async def _permitted(kube: Kube, settings: Settings, kinds: Iterable[str]) -> AsyncIterator[tuple[str, str]]:
    """The permissions in each listed namespace, or in the controller's own one, which stands for the whole cluster."""
    if settings.namespace_selector:
        found = await kube.namespaces(settings.namespace_selector)
        problem = "" if found else f"no namespace has the labels {settings.namespace_selector}"
        yield problem, f"{len(found)} namespaces have the labels {settings.namespace_selector}"
    for namespace in settings.namespaces or (settings.pod_namespace,):
        denied = await first_denied(kube, namespace, kinds) or await cannot_be_claimed(kube, namespace)
        yield (
            f"the controller has no permission to {denied} in {namespace}: {_ROLES}" if denied else "",
            f"{namespace} can be served",
        )


async def _led(kube: Kube, settings: Settings) -> AsyncIterator[tuple[str, str]]:
    name, problem, holder = settings.lease_name, "", ""
    for _ in range(LEADER_SECONDS):
        lease = await kube.get("Lease", settings.pod_namespace, name)
        spec = (lease or {}).get("spec", {})
        renewed, holder = parse_time(spec.get("renewTime")), spec.get("holderIdentity", "")
        age = (datetime.now(UTC) - renewed).total_seconds() if renewed else None
        if holder and age is not None and age < settings.lease_seconds:
            problem = ""
            break
        problem = (
            f"no replica holds the Lease {name}" if not holder else f"{holder} has not renewed the Lease {name} for {age} s"
        )
        await asyncio.sleep(1)
    yield problem, f"{holder} is the leader"


if __name__ == "__main__":
    sys.exit(main())
