"""The terminator's metrics: the control process's own, and its workers' added up."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from services.terminator.counters import Count, Level

DEPLOY_SECONDS: Final = Histogram(
    "terminator_deploy_latency_seconds",
    "From the change of a domain's row until no handshake of the node shows the older certificate",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
KEYS_REFUSED: Final = Counter("terminator_sealed_keys_refused_total", "Sealed keys that are not what they claim to be")
CACHE_ENTRIES: Final = Gauge(
    "terminator_cache_entries", "What is known of names: rows, nobody's names, and the workers' contexts", ["kind"]
)
WORKERS: Final = Gauge("terminator_workers", "Workers that accept connections")
WORKERS_ENDED: Final = Counter("terminator_workers_ended_total", "Workers that ended without being told to")
STORE_READS_FAILED: Final = Counter("terminator_store_reads_failed_total", "Questions that the store did not answer")

_HANDSHAKES: Final = Counter("terminator_handshakes_total", "TLS handshakes, by how they ended", ["outcome"])
_UPSTREAMS: Final = Counter(
    "terminator_upstream_dials_total", "Connections to upstreams, by how they ended", ["outcome"]
)
_BYTES: Final = Counter("terminator_forwarded_bytes_total", "Bytes read to be forwarded, by from whom", ["source"])
_REQUESTS: Final = Counter("terminator_http_requests_total", "Requests on port 80, by what was answered", ["answer"])
_CONTEXTS: Final = Counter("terminator_contexts_built_total", "TLS contexts made by workers")
_TURNED_AWAY: Final = Counter("terminator_connections_turned_away_total", "Connections beyond what a worker takes")
_CONNECTIONS: Final = Gauge("terminator_connections", "Open connections of clients", ["state"])

_COUNTERS: Final = {
    Count.HANDSHAKES_SERVED: _HANDSHAKES.labels("served"),
    Count.HANDSHAKES_DEFAULT: _HANDSHAKES.labels("default"),
    Count.HANDSHAKES_FAILED: _HANDSHAKES.labels("failed"),
    Count.HANDSHAKES_MALFORMED: _HANDSHAKES.labels("malformed"),
    Count.HANDSHAKES_REFUSED: _HANDSHAKES.labels("refused"),
    Count.HANDSHAKES_LATE: _HANDSHAKES.labels("late"),
    Count.CONTEXTS_BUILT: _CONTEXTS,
    Count.UPSTREAMS_DIALLED: _UPSTREAMS.labels("dialled"),
    Count.UPSTREAMS_FAILED: _UPSTREAMS.labels("failed"),
    Count.UPSTREAMS_FORBIDDEN: _UPSTREAMS.labels("forbidden"),
    Count.BYTES_FROM_CLIENTS: _BYTES.labels("clients"),
    Count.BYTES_FROM_UPSTREAMS: _BYTES.labels("upstreams"),
    Count.CHALLENGES_ANSWERED: _REQUESTS.labels("challenge"),
    Count.REDIRECTS: _REQUESTS.labels("redirect"),
    Count.HTTP_REFUSED: _REQUESTS.labels("refused"),
    Count.CONNECTIONS_TURNED_AWAY: _TURNED_AWAY,
}


def add_counts(counts: tuple[int, ...]) -> None:
    """Add what a worker counted."""
    for count, amount in zip(Count, counts, strict=True):
        if amount:
            _COUNTERS[count].inc(amount)


def set_levels(levels: list[tuple[int, ...]]) -> None:
    """Show the sum of what all workers have now."""
    handshakes, connections, contexts = (sum(level[kind] for level in levels) for kind in Level)
    _CONNECTIONS.labels("handshake").set(handshakes)
    _CONNECTIONS.labels("all").set(connections)
    CACHE_ENTRIES.labels("contexts").set(contexts)
