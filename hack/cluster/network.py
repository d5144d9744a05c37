"""The addresses inside a sandbox. All sandboxes use the same ones, because they are not visible outside."""

API_PORT = 6443
NODE_NAME = "node1"
NODE_ADDRESS = "10.99.0.1"
GATEWAY = "10.99.0.254"  # unused address for the default route that Kubernetes requires
PODS = "10.244.0.0/16"
NODE_PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
