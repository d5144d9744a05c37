"""The fields of pods and containers in Kubernetes 1.35, and the keys of list entries in a strategic merge patch."""

_POD = """
activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig dnsPolicy enableServiceLinks
ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers hostname hostnameOverride imagePullSecrets
initContainers nodeName nodeSelector os overhead preemptionPolicy priority priorityClassName readinessGates
resourceClaims resources restartPolicy runtimeClassName schedulerName schedulingGates securityContext serviceAccount
serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain terminationGracePeriodSeconds tolerations
topologySpreadConstraints volumes workloadRef
"""
POD_FIELDS = frozenset(_POD.split())

_CONTAINER = """
args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports readinessProbe resizePolicy resources
restartPolicy restartPolicyRules securityContext startupProbe stdin stdinOnce terminationMessagePath
terminationMessagePolicy tty volumeDevices volumeMounts workingDir
"""
CONTAINER_FIELDS = frozenset(_CONTAINER.split())

MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
}
"""Lists whose entries a strategic merge patch merges by a key, from the API types of Kubernetes. Other lists are replaced."""

REPLACED = ("env", "volumeMounts")
"""Lists whose entries replace the entry with the same key: a value and a reference to a Secret do not fit together."""

RETAINED = ("volumes", "resourceClaims")
"""Lists whose merged entries keep only the fields of the patch, so a volume of another type replaces a volume."""

ADDED = ("tolerations", "envFrom")
"""Lists whose entries are added to the others. Kubernetes would replace the list, and with it the defaults."""
