"""Figures for Prometheus; each service has a registry of its own."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mtmd.serve.http.live import Serving

_SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_STAGE_SECONDS = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)


class Metrics:
    """What /metrics shows."""

    def __init__(self, in_flight: Callable[[], float]) -> None:
        registry = self._registry = CollectorRegistry()
        self._latency = Histogram(
            "mtmd_request_seconds",
            "From a request's head to its answer",
            ["path", "status"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._stages = Histogram(
            "mtmd_stage_seconds",
            "Of the calls that were answered, each stage",
            ["path", "stage"],
            buckets=_STAGE_SECONDS,
            registry=registry,
        )
        self._shadow = Counter(
            "mtmd_shadow",
            "Calls that a candidate answered too, or could not",
            ["outcome"],
            registry=registry,
        )
        self._swaps = Counter("mtmd_swaps", "Times that a model or its ads took over", registry=registry)
        self._serving = Gauge(
            "mtmd_serving_info", "What is served", ["model_id", "bundle_id", "day"], registry=registry
        )
        self._ads = Gauge("mtmd_published_ads", "Ads that are ranked", registry=registry)
        waiting = Gauge("mtmd_in_flight", "Questions that wait or are answered", registry=registry)
        waiting.set_function(in_flight)

    def answered(self, path: str, status: int, seconds: float) -> None:
        self._latency.labels(path, status).observe(seconds)

    def took(self, path: str, stages: Mapping[str, float]) -> None:
        """How long the stages of a call took, in seconds."""
        for stage, seconds in stages.items():
            self._stages.labels(path, stage).observe(seconds)

    def shadowed(self, outcome: str) -> None:
        self._shadow.labels(outcome).inc()

    def swapped(self, serving: Serving) -> None:
        self._swaps.inc()
        self._serving.clear()
        self._serving.labels(serving.ranker.model_id, serving.ranker.bundle_id, serving.day.isoformat()).set(
            1
        )
        self._ads.set(serving.ranker.ads)

    def text(self) -> bytes:
        return generate_latest(self._registry)
