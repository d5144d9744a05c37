"""The processes of a node: containerd, the kubelet, the scheduler, kube-proxy and the enforcement of NetworkPolicies.

Like `control_plane`, it writes their files into the run folder and returns their command lines. A sandbox has its own /run and
/var, so other paths keep their defaults.
"""

import json
from pathlib import Path

from hack.cluster import certificates
from hack.cluster.build import binary
from hack.cluster.kinds import node_labels
from hack.cluster.network import DNS_SERVICE, NODE_ADDRESS, NODE_NAME, NODE_PODS, PODS, SERVICES
from hack.cluster.versions import PAUSE

PROGRAMS = ("kubelet", "kube-scheduler", "kube-proxy", "kube-router")
PAUSE_IMAGE = f"localhost/pause:{PAUSE}"


def containerd_socket(folder: Path) -> Path:
    """The containerd socket. It is in the run folder, so images can be imported from outside the sandbox."""
    return folder / "containerd.sock"


def processes(folder: Path, cgroup: str) -> dict[str, list[str]]:
    """The command line of each process, by name. Pods run below the given control group."""
    for party in ("kubelet", "scheduler", "proxy", "policies"):
        (folder / f"{party}.kubeconfig").write_text(certificates.kubeconfig(folder / "pki", party))
    (folder / "cni").mkdir()
    (folder / "cni" / "10-bridge.conflist").write_text(json.dumps(_pod_network()))
    (folder / "resolv.conf").write_text(f"nameserver {DNS_SERVICE}\n")
    (folder / "containerd.toml").write_text(_containerd(folder))
    (folder / "kubelet.yaml").write_text(json.dumps(_kubelet(folder, cgroup)))
    (folder / "proxy.yaml").write_text(json.dumps(_proxy(folder)))
    return {
        "containerd": ["containerd", f"--config={folder / 'containerd.toml'}"],
        "scheduler": [
            str(binary("kube-scheduler")),
            f"--kubeconfig={folder / 'scheduler.kubeconfig'}",
            "--leader-elect=false",
        ],
        "kubelet": [
            str(binary("kubelet")),
            f"--config={folder / 'kubelet.yaml'}",
            f"--kubeconfig={folder / 'kubelet.kubeconfig'}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={NODE_ADDRESS}",
            f"--node-labels={','.join(f'{name}={value}' for name, value in node_labels().items())}",
        ],
        "proxy": [str(binary("kube-proxy")), f"--config={folder / 'proxy.yaml'}"],
        "policies": _policies(folder),
    }


def _containerd(folder: Path) -> str:
    # The root is not in /var, which can be on an overlay that does not support nested overlays.
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE, runc fails with "can't get final child's PID from pipe: EOF".
    return f"""\
version = 2
root = "{folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "{containerd_socket(folder)}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
"""


def _pod_network() -> dict[str, object]:
    addresses = {"type": "host-local", "ranges": [[{"subnet": NODE_PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}


def _kubelet(folder: Path, cgroup: str) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "x509": {"clientCAFile": f"{folder}/pki/ca.crt"},
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{folder}/pki/kubelet.crt",
        "tlsPrivateKeyFile": f"{folder}/pki/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{containerd_socket(folder)}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "resolvConf": f"{folder}/resolv.conf",
        "evictionHard": {"memory.available": "100Mi"},
        "imageGCHighThresholdPercent": 100,
        "volumeStatsAggPeriod": "10s",  # how soon a pod that exceeds its volumes is evicted
    }


def _policies(folder: Path) -> list[str]:
    """kube-router as a firewall only: the network of the pods and of the Services belongs to the bridge and to kube-proxy."""
    return [
        str(binary("kube-router")),
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
        "--enable-cni=false",
        f"--kubeconfig={folder / 'policies.kubeconfig'}",
        f"--hostname-override={NODE_NAME}",
        f"--service-cluster-ip-range={SERVICES}",
    ]


def _proxy(folder: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{folder}/proxy.kubeconfig"},
        "clusterCIDR": PODS,
        "hostnameOverride": NODE_NAME,
        "mode": "iptables",
        "conntrack": {"maxPerCore": 0},
    }
