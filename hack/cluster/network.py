"""The addresses inside a sandbox. Every sandbox has the same ones: none of them is seen outside, so two never meet."""

API_PORT = 6443
NODE_NAME = "node1"
NODE_ADDRESS = "10.99.0.1"
GATEWAY = "10.99.0.254"  # nobody; it makes a default route, which Kubernetes wants to see
PODS = "10.244.0.0/16"
NODE_PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
