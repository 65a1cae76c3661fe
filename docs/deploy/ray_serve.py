"""Tessera's API on Ray Serve, for those who already run Ray: `serve run ray_serve:build replicas=4`.

What it costs: when it was tried on two cores, Ray Serve added 8 ms to each request, took 3 GB and
half a minute to start, and answered 49 requests a second where one process answered 128. Where you
have no Ray, `tessera serve --workers N` and a balancer do better.

Settings come from the environment of the replicas, as everywhere. The page is left out: what it
shows is in the memory of one process. Collections want TESSERA_DATA_URL, or a folder all nodes see.
"""

from __future__ import annotations

from typing import Any

CPUS_EACH = 2


def build(arguments: dict[str, str]) -> Any:
    """The application: `replicas` (2) processes of `cpus` (2) each; started by Ray, not by import."""
    from ray import serve

    cpus = int(arguments.get("cpus", CPUS_EACH))

    def make_app() -> Any:
        from app import create_app
        from embedder import Settings

        return create_app(Settings.load({"ui": False, "threads": cpus}))

    @serve.deployment(
        num_replicas=int(arguments.get("replicas", "2")),
        ray_actor_options={"num_cpus": cpus},
        max_ongoing_requests=256,
    )
    @serve.ingress(make_app)
    class Tessera:
        """Nothing of its own: every request is the application's."""

    return Tessera.bind()
