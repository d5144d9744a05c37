"""Names that the pods of all kinds share."""

CPU_GROUP = "workers"
ACCELERATOR_GROUP = "accelerator"
SHM_VOLUME = "datajob-shm"
"""Name of the volume of `/dev/shm`."""
GROUPS = (CPU_GROUP, ACCELERATOR_GROUP)
"""Names of the groups of workers."""
