"""What the libraries underneath read from the environment, set before they are first imported."""

from __future__ import annotations

import os


def settle_environment() -> None:
    """Set how torch, the tokenizers and ONNX Runtime behave in this process; cheap to repeat."""
    # Spinning OpenMP threads fall to a fifth of their speed where the cores are shared. The
    # tokenizers' own thread pool would compete with the batches. Both may be set by the owner.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # ONNX Runtime's builds report to their maker and keep an id of the machine in the home folder;
    # its Privacy.md names this as what stops all of it. `disable_telemetry_events` comes too late.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
