"""Every metric, in one place. Each `Metrics` has a registry of its own, so engines don't mix."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """What the engine and its edges count. Labels never hold anything a client chose freely."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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
        self.cache_bytes = Gauge("tessera_cache_bytes", "Memory held by cached vectors.", registry=registry)
        self.queue_tokens = Gauge(
            "tessera_queue_tokens", "Tokens admitted and not yet answered.", registry=registry
        )
        self.queue_texts = Gauge(
            "tessera_queue_texts", "Texts waiting for a batch.", ["model", "priority"], registry=registry
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

    def exposition(self) -> bytes:
        """The Prometheus text format, version 0.0.4."""
        return generate_latest(self.registry)
