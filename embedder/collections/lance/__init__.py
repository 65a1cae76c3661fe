"""Collections in a folder, kept by LanceDB: see `docs/decisions/0036-collections-on-lancedb.md`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pydantic

_UNUSED_CLIENT = "lance_namespace_urllib3_client."


def _leave_unused_client_unchecked() -> None:
    """LanceDB imports a REST client that nothing here calls, and pydantic would make checks for each of its
    hundreds of methods: a third of what that import takes, in every process that opens a collection.
    """
    real = pydantic.validate_call

    def validate_call(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        if function is not None and function.__module__.startswith(_UNUSED_CLIENT):
            return function
        return real(function, **options)  # type: ignore[type-var]  # None is the default of its own

    pydantic.validate_call = validate_call


_leave_unused_client_unchecked()
