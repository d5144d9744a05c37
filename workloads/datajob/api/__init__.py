"""The language of jobs: DataJob spec, status and report as frozen models. Needs neither ray, torch nor pyarrow."""

API_GROUP = "datajob.io"
API_VERSION = "v1alpha1"
