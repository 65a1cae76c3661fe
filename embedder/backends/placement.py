"""Where a model runs, and in which numbers."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from embedder.config import Settings
from embedder.errors import ModelUnavailable
from embedder.types import Precision

if TYPE_CHECKING:
    from torch import dtype

_CPU_BATCH_TOKENS = 512
"""Enough rows for a matrix product to run at its full speed, few enough to answer others soon."""

_GPU_BATCH_TOKENS = 65_536
_AMPERE = (8, 0)
_GPU_SHARE = 0.5
"""Of the memory that is free once the weights are there."""
_GPU_WIDTHS = 32
"""Numbers alive at once for each token, in hidden widths: those of the widest layer and of attention."""
_MPS_BATCH_TOKENS = 8_192
"""Apple's memory is the machine's own, so what is free of it is no measure."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A device as torch names it, the numbers computed in, and how many threads a CPU gives."""

    device: str = "cpu"
    precision: Precision = "float32"
    threads: int = 1

    @property
    def on_cpu(self) -> bool:
        """Whether batches run on the CPU's cores."""
        return self.device == "cpu"

    @property
    def is_exact(self) -> bool:
        """Whether the numbers are the reference's own: float32 on the CPU."""
        return self.on_cpu and self.precision == "float32"

    @property
    def name(self) -> str:
        """For records: what makes the numbers what they are."""
        return f"{self.precision} on {self.device.partition(':')[0]}"

    @property
    def dtype(self) -> dtype:
        """Of weights and hidden states; int8 is a matter of the linear layers alone."""
        import torch

        return torch.float16 if self.precision == "float16" else torch.float32

    @property
    def flash(self) -> bool:
        """Whether one attention kernel takes texts of any lengths: half precision, CUDA from Ampere on."""
        import torch

        if self.precision != "float16" or not _has_varlen_attention():
            return False
        if self.device.startswith("cuda"):
            return torch.cuda.get_device_capability(self.device) >= _AMPERE
        return self.device == "meta"

    def batch_tokens(self, hidden: int) -> int:
        """Tokens of a batch that this device computes well, for a model of that width."""
        import torch

        if self.on_cpu:
            return _CPU_BATCH_TOKENS
        if not self.device.startswith("cuda"):
            return _MPS_BATCH_TOKENS
        free_bytes, _ = torch.cuda.mem_get_info(torch.device(self.device))
        per_token_bytes = _GPU_WIDTHS * hidden * self.dtype.itemsize
        fitting = int(_GPU_SHARE * free_bytes / per_token_bytes)
        return max(_CPU_BATCH_TOKENS, min(_GPU_BATCH_TOKENS, fitting))


def _has_varlen_attention() -> bool:
    """Whether torch has attention over texts of any lengths, in the form that `encoder` calls it."""
    if find_spec("torch.nn.attention.varlen") is None:
        return False
    from torch.nn.attention import varlen

    return "num_splits" in inspect.signature(varlen.varlen_attn).parameters


def place(settings: Settings) -> Placement:
    """The placement that the settings ask for; `auto` takes a GPU where torch has one.

    Raises:
        ModelUnavailable: torch has no such device here, or the numbers are not for it.
    """
    device = _fastest_device() if settings.device == "auto" else settings.device
    on_cpu = device == "cpu"
    precision: Precision = "float32" if on_cpu else "float16"
    if settings.precision != "auto":
        precision = settings.precision
    if not on_cpu:
        _check_device(device)
        if precision == "int8":
            raise ModelUnavailable("int8 is for the CPU: leave TESSERA_PRECISION to auto, or set float16.")
    elif precision == "float16":
        raise ModelUnavailable(
            "float16 is for a GPU; on a CPU it is slow. Leave TESSERA_PRECISION to auto, or set int8."
        )
    return Placement(device, precision, settings.cpu_threads)


def _fastest_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _check_device(device: str) -> None:
    """Raise ModelUnavailable unless a tensor can be made there."""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ModelUnavailable(
            f"torch {torch.__version__} cannot use the device {device!r} here ({type(error).__name__}). "
            "Install a torch built for it, or set TESSERA_DEVICE=auto."
        ) from error
