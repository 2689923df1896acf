"""Figures for Prometheus; each service has a registry of its own."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mtmd.serve.http.live import Serving

_SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """What /metrics shows."""

    def __init__(self, in_flight: Callable[[], float]) -> None:
        registry = self.registry = CollectorRegistry()
        self._latency = Histogram(
            "mtmd_request_seconds",
            "From a request's head to its answer",
            ["path", "status"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._swaps = Counter("mtmd_swaps", "Times that a model or its ads took over", registry=registry)
        self._serving = Gauge(
            "mtmd_serving_info", "What is served", ["model_id", "bundle_id", "day"], registry=registry
        )
        self._ads = Gauge("mtmd_published_ads", "Ads that are ranked", registry=registry)
        waiting = Gauge("mtmd_in_flight", "Calls that wait or are answered", registry=registry)
        waiting.set_function(in_flight)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """One call was answered or refused."""
        self._latency.labels(path, status).observe(seconds)

    def swapped(self, serving: Serving) -> None:
        """A model or its ads took over."""
        ranker = serving.ranker
        self._swaps.inc()
        self._serving.clear()
        self._serving.labels(ranker.model_id, ranker.bundle_id, serving.day.isoformat()).set(1)
        self._ads.set(ranker.ads)

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self.registry)
