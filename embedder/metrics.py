"""Every metric, in one place. Each `Metrics` has a registry of its own, so engines don't mix.

Where several processes are one server, prometheus_client's multiprocess mode sums over them: the
variable `PROMETHEUS_MULTIPROC_DIR` names the folder that they share, and is set before they start.
"""

from __future__ import annotations

import os
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from embedder.types import Timings

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
_SHARED = "PROMETHEUS_MULTIPROC_DIR"
_OF_THE_LIVING: Final = "livesum"
"""What a process holds counts for as long as it lives."""
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class ModelMetrics:
    """The counters of one model: looked up once, since to look up is dearer than to count."""

    def __init__(self, metrics: Metrics, model_id: str) -> None:
        self._metrics = metrics
        self._texts = metrics.texts.labels(model_id)
        self._hits = metrics.cache_hits.labels(model_id)
        self._disk_hits = metrics.disk_cache_hits.labels(model_id)
        self._misses = metrics.cache_misses.labels(model_id)
        self._stages = {name: metrics.stage_s.labels(name) for name in ("tokenising", "waiting", "cache")}

    def count(self, texts: int, *, cached: int, from_disk: int, timings: Timings) -> None:
        """One call, answered."""
        self._texts.inc(texts)
        self._misses.inc(texts - cached)
        if cached:
            self._hits.inc(cached)
        if from_disk:
            self._disk_hits.inc(from_disk)
        self._stages["tokenising"].observe(timings.tokenize_s)
        self._stages["waiting"].observe(timings.wait_s)
        self._stages["cache"].observe(timings.cache_s)


class Metrics:
    """What the engine and its edges count. Labels never hold anything a client chose freely."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_models: dict[str, ModelMetrics] = {}
        self._of_routes: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        registry = self.registry
        self.texts = Counter(
            "tessera_texts", "Texts embedded, cached ones included.", ["model"], registry=registry
        )
        self.tokens = Counter("tessera_tokens", "Tokens computed.", ["model"], registry=registry)
        self.cache_hits = Counter(
            "tessera_cache_hits", "Texts whose vector was known.", ["model"], registry=registry
        )
        self.disk_cache_hits = Counter(
            "tessera_disk_cache_hits", "Of these, found on disk.", ["model"], registry=registry
        )
        self.cache_misses = Counter(
            "tessera_cache_misses", "Texts whose vector was not.", ["model"], registry=registry
        )
        self.cache_bytes = Gauge(
            "tessera_cache_bytes",
            "Memory held by cached vectors.",
            registry=registry,
            multiprocess_mode=_OF_THE_LIVING,
        )
        self.queue_tokens = Gauge(
            "tessera_queue_tokens",
            "Tokens admitted and not yet answered.",
            registry=registry,
            multiprocess_mode=_OF_THE_LIVING,
        )
        self.queue_texts = Gauge(
            "tessera_queue_texts",
            "Texts waiting for a batch.",
            ["model", "priority"],
            registry=registry,
            multiprocess_mode=_OF_THE_LIVING,
        )
        self.batch_tokens = Histogram(
            "tessera_batch_tokens", "Tokens of a batch, padding counted.", buckets=_TOKENS, registry=registry
        )
        self.batch_texts = Histogram(
            "tessera_batch_texts", "Texts of a batch.", buckets=_TEXTS, registry=registry
        )
        self.stage_s = Histogram(
            "tessera_stage_seconds",
            "Time of a call by stage: tokenising, waiting, computing, cache.",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.refused = Counter("tessera_refused", "Requests refused for want of room.", registry=registry)
        self.failed_batches = Counter(
            "tessera_failed_batches", "Batches a runtime failed on.", registry=registry
        )
        self.dropped_texts = Counter(
            "tessera_dropped_texts", "Waiting texts whose caller left.", registry=registry
        )
        self.requests = Counter(
            "tessera_http_requests", "Answers of the API.", ["route", "status"], registry=registry
        )
        self.request_s = Histogram(
            "tessera_http_request_seconds",
            "Time from request to answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )

    @property
    def shared(self) -> bool:
        """Whether other processes tell what is counted here, so that it must be told and cannot be asked."""
        return bool(os.environ.get(_SHARED))

    def of_model(self, model_id: str) -> ModelMetrics:
        """The counters of an allowed model."""
        if model_id not in self._of_models:
            self._of_models[model_id] = ModelMetrics(self, model_id)
        return self._of_models[model_id]

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """One answer of the API."""
        if (route, status) not in self._of_routes:
            children = self.requests.labels(route, str(status)), self.request_s.labels(route)
            self._of_routes[route, status] = children
        requests, request_s = self._of_routes[route, status]
        requests.inc()
        request_s.observe(seconds)

    def exposition(self) -> bytes:
        """The Prometheus text format, version 0.0.4; of all processes where several are one server."""
        if self.shared:
            from prometheus_client.multiprocess import MultiProcessCollector

            every = CollectorRegistry()
            MultiProcessCollector(every)  # type: ignore[no-untyped-call]
            return generate_latest(every)
        return generate_latest(self.registry)
