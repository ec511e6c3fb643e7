"""Checks that hold after chaos, once every domain is served and settled."""

import signal
from collections import Counter
from collections.abc import Sequence

from dev.platform.platform import Platform


async def harm_done(platform: Platform, hosts: Sequence[str]) -> list[str]:
    """Return a sentence for each surplus certificate or order, wrong `certificate.ready` and crash; reads all facts."""
    issued = await platform.pebble.issued_certificates()
    facts = await platform.ledger.new_facts()
    ready = Counter(
        (data["domains"][0]["domain"], data["certificate_id"]) for kind, data in facts if kind == "certificate.ready"
    )
    harm = []
    for host in hosts:
        orders = [(row["state"], row["certificate_id"]) for row in await platform.ledger.orders(host)]
        if issued.get(host) != 1:
            harm.append(f"the CA issued {issued.get(host, 0)} certificates for {host}")
        if [state for state, _ in orders] != ["issued"]:
            harm.append(f"the orders for {host} are {orders}")
        published = [(name, certificate) for name, certificate in ready if name == host]
        if published != [(host, certificate) for _, certificate in orders]:
            harm.append(f"certificate.ready was published for {host} with {published}")
    return harm + [
        f"a worker of {service.name} ended with {record['exit_code']}"
        for service in platform.services.values()
        for record in service.records()
        if record.get("event") == "worker_ended" and record["exit_code"] != -signal.SIGKILL
    ]
