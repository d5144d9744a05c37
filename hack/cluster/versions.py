"""The programs of a test cluster, each pinned to one version. `build` compiles them; `control_plane` and `node` run them."""

import os
from dataclasses import dataclass, field

KUBERNETES = "1.35.4"
KUBERAY = os.environ.get("KUBERAY") or "v1.6.1"  # tests with other versions set the variable
ETCD = "v3.6.16"
COREDNS = "v1.14.7"
HELM = "v3.22.0"
VERSITYGW = "v1.2.0"
KUBE_ROUTER = "v2.1.0"
PAUSE = "v1"
GO = "1.26"
RAY = "2.60.0"

KUBERNETES_MODULE = "k8s.io/kubernetes"
KUBERAY_MODULE = "github.com/ray-project/kuberay/ray-operator"
GATEWAY_API = "v1.6.1"
GATEWAY_API_MODULE = "sigs.k8s.io/gateway-api"
PROMETHEUS_OPERATOR = "v0.91.0"
PROMETHEUS_OPERATOR_MODULE = "github.com/prometheus-operator/prometheus-operator"

# The version of Kubernetes is set with linker flags; without them, it is v0.0.0-master.
_KUBERNETES_FLAGS = tuple(
    f"-X {package}.{name}={value}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for name, value in (
        ("gitVersion", f"v{KUBERNETES}"),
        ("gitMajor", KUBERNETES.split(".")[0]),
        ("gitMinor", KUBERNETES.split(".")[1]),
    )
)

# The main package of etcd is in a module with `replace` directives, which Go does not build from another module.
_ETCD_MAIN = """\
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
"""

# Keeps the namespaces of a pod open, reaps orphans and exits on a signal.
_PAUSE_MAIN = """\
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			os.Exit(0)
		}
		for pid := 1; pid > 0; {
			pid, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		}
	}
}
"""


@dataclass(frozen=True)
class Program:
    """A Go program: the package to build, or the source of a main package, and its module."""

    name: str
    version: str
    module: str = ""
    package: str = "."
    main: str = ""
    linker_flags: tuple[str, ...] = field(default=())


def _kubernetes(name: str) -> Program:
    package = f"{KUBERNETES_MODULE}/cmd/{name}"
    return Program(name, f"v{KUBERNETES}", KUBERNETES_MODULE, package, linker_flags=_KUBERNETES_FLAGS)


PROGRAMS = (
    Program("pause", PAUSE, main=_PAUSE_MAIN),
    Program("versitygw", VERSITYGW, "github.com/versity/versitygw", "github.com/versity/versitygw/cmd/versitygw"),
    Program("etcd", ETCD, "go.etcd.io/etcd/server/v3", main=_ETCD_MAIN),
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kubectl"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kubelet"),
    _kubernetes("kube-proxy"),
    Program("coredns", COREDNS, "github.com/coredns/coredns", "github.com/coredns/coredns"),
    Program("kuberay-operator", KUBERAY, KUBERAY_MODULE, KUBERAY_MODULE),
    Program(
        "kube-router",
        KUBE_ROUTER,
        "github.com/cloudnativelabs/kube-router/v2",
        "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router",
    ),
    Program("helm", HELM, "helm.sh/helm/v3", "helm.sh/helm/v3/cmd/helm"),
)
