"""The processes of a control plane: etcd, the API server with RBAC, and the controller manager.

Writes their files into the run folder and returns their command lines, which `sandbox` runs.
"""

from pathlib import Path

from hack.cluster import certificates
from hack.cluster.build import binary
from hack.cluster.network import API_PORT, NODE_ADDRESS, PODS, SERVICES

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")

_ETCD = "http://127.0.0.1:2379"
_ETCD_PEERS = "http://127.0.0.1:2380"


def processes(folder: Path, *, with_node: bool) -> dict[str, list[str]]:
    """The command line of each process, by name. Without a node, nodes are only objects, which are lost within seconds."""
    pki = folder / "pki"
    certificates.write(pki)
    config = folder / "controller-manager.kubeconfig"
    config.write_text(certificates.kubeconfig(pki, "controller-manager"))
    return {
        "etcd": _etcd(folder),
        "apiserver": [*_apiserver(pki), *([] if with_node else ["--default-unreachable-toleration-seconds=5"])],
        "controller-manager": [
            *_controller_manager(pki, config),
            *([] if with_node else ["--node-monitor-grace-period=10s"]),
        ],
    }


def _etcd(folder: Path) -> list[str]:
    return [
        str(binary("etcd")),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        f"--listen-peer-urls={_ETCD_PEERS}",
        f"--initial-advertise-peer-urls={_ETCD_PEERS}",
        f"--initial-cluster=default={_ETCD_PEERS}",
        "--unsafe-no-fsync",  # a test cluster does not need durability
    ]


def _apiserver(pki: Path) -> list[str]:
    return [
        str(binary("kube-apiserver")),
        f"--etcd-servers={_ETCD}",
        f"--secure-port={API_PORT}",
        f"--advertise-address={NODE_ADDRESS}",
        f"--service-cluster-ip-range={SERVICES}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",  # the name of the node is not in DNS
        "--allow-privileged=true",
    ]


def _controller_manager(pki: Path, config: Path) -> list[str]:
    return [
        str(binary("kube-controller-manager")),
        f"--kubeconfig={config}",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--cluster-cidr={PODS}",
        "--allocate-node-cidrs=true",
        "--leader-elect=false",
    ]
