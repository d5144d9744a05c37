"""The device of a process, with a clear error if it is not available."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob
from datajob.operators.base import Device

if TYPE_CHECKING:
    import torch


def torch_device(device: Device) -> torch.device:
    """The torch device of this process. Raises InvalidJob if it is not available."""
    import torch

    if device.kind in ("gpu", "any") and torch.cuda.is_available():
        return torch.device("cuda", 0)
    if device.kind == "gpu":
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        raise InvalidJob(
            f"This step was placed on a GPU, but the process finds none (torch {torch.__version__}, {built}; "
            f"CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES', 'unset')}). "
            "Use the workload image of variant gpu, check that the node's driver supports it, or remove "
            "`spec.resources.accelerator` to run on the CPU."
        )
    if device.kind in ("npu", "any") and _npu():
        return torch.device("npu", 0)
    if device.kind == "npu":
        raise InvalidJob(
            "This step was placed on an Ascend NPU, but the process finds none "
            f"({'torch_npu finds no device' if find_spec('torch_npu') else 'torch_npu is not installed'}; "
            f"ASCEND_RT_VISIBLE_DEVICES={os.environ.get('ASCEND_RT_VISIBLE_DEVICES', 'unset')}). Use the workload image of "
            "variant npu, and check that the device plugin assigned a device to the pod."
        )
    if device.kind == "cpu":
        torch.set_num_threads(max(1, int(device.count)))
    return torch.device("cpu")


def empty_caches() -> None:
    """Release the memory that torch caches on the accelerators of this process."""
    import torch

    for device in (torch.cuda, getattr(torch, "npu", None)):
        if device is not None and device.is_available():
            device.empty_cache()


def _npu() -> bool:
    import torch

    if find_spec("torch_npu") is None:
        return False
    import_module("torch_npu")  # registers the device
    npu: Any = getattr(torch, "npu", None)
    return bool(npu is not None and npu.is_available())
