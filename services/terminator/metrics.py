"""The terminator's metrics: those of the control process, and the sums of its workers'."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from services.terminator.counters import WorkerCounter, WorkerGauge

DEPLOY_SECONDS: Final = Histogram(
    "terminator_deploy_latency_seconds",
    "From the change of a domain's row until no handshake of the node shows the older certificate",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
KEYS_REFUSED: Final = Counter(
    "terminator_sealed_keys_refused_total", "Sealed keys that were refused: forged, swapped, or of another key ring"
)
CACHE_ENTRIES: Final = Gauge(
    "terminator_cache_entries", "Cached names by kind: rows, unknown names (nobodys), workers' TLS contexts", ["kind"]
)
WORKERS: Final = Gauge("terminator_workers", "Workers that accept connections")
WORKERS_ENDED: Final = Counter("terminator_workers_ended_total", "Workers that exited without being asked to")
STORE_READS_FAILED: Final = Counter("terminator_store_reads_failed_total", "Look-ups that the store did not answer")

_HANDSHAKES: Final = Counter("terminator_handshakes_total", "TLS handshakes by outcome", ["outcome"])
_UPSTREAMS: Final = Counter("terminator_upstream_dials_total", "Connections to upstreams by outcome", ["outcome"])
_BYTES: Final = Counter("terminator_forwarded_bytes_total", "Bytes received for forwarding, by source", ["source"])
_REQUESTS: Final = Counter("terminator_http_requests_total", "Requests on port 80 by answer", ["answer"])
_CONTEXTS: Final = Counter("terminator_contexts_built_total", "TLS contexts made by workers")
_TURNED_AWAY: Final = Counter(
    "terminator_connections_turned_away_total", "Connections closed because a worker had its maximum"
)
_CONNECTIONS: Final = Gauge("terminator_connections", "Open connections of clients", ["state"])

_COUNTERS: Final = {
    WorkerCounter.HANDSHAKES_SERVED: _HANDSHAKES.labels("served"),
    WorkerCounter.HANDSHAKES_DEFAULT: _HANDSHAKES.labels("default"),
    WorkerCounter.HANDSHAKES_FAILED: _HANDSHAKES.labels("failed"),
    WorkerCounter.HANDSHAKES_MALFORMED: _HANDSHAKES.labels("malformed"),
    WorkerCounter.HANDSHAKES_REFUSED: _HANDSHAKES.labels("refused"),
    WorkerCounter.HANDSHAKES_LATE: _HANDSHAKES.labels("late"),
    WorkerCounter.CONTEXTS_BUILT: _CONTEXTS,
    WorkerCounter.UPSTREAMS_DIALLED: _UPSTREAMS.labels("dialled"),
    WorkerCounter.UPSTREAMS_FAILED: _UPSTREAMS.labels("failed"),
    WorkerCounter.UPSTREAMS_FORBIDDEN: _UPSTREAMS.labels("forbidden"),
    WorkerCounter.BYTES_FROM_CLIENTS: _BYTES.labels("clients"),
    WorkerCounter.BYTES_FROM_UPSTREAMS: _BYTES.labels("upstreams"),
    WorkerCounter.CHALLENGES_ANSWERED: _REQUESTS.labels("challenge"),
    WorkerCounter.REDIRECTS: _REQUESTS.labels("redirect"),
    WorkerCounter.HTTP_REFUSED: _REQUESTS.labels("refused"),
    WorkerCounter.CONNECTIONS_TURNED_AWAY: _TURNED_AWAY,
}


def add_counters(values: tuple[int, ...]) -> None:
    """Add the counters that a worker reported."""
    for counter, amount in zip(WorkerCounter, values, strict=True):
        if amount:
            _COUNTERS[counter].inc(amount)


def set_gauges(workers: list[tuple[int, ...]]) -> None:
    """Set the gauges to the sums over all *workers*."""
    handshakes, connections, contexts = (sum(gauges[kind] for gauges in workers) for kind in WorkerGauge)
    _CONNECTIONS.labels("handshake").set(handshakes)
    _CONNECTIONS.labels("all").set(connections)
    CACHE_ENTRIES.labels("contexts").set(contexts)
