"""The DNS and the view from outside, as the test says: the ports `Dns`, `Http01Probe` and `Registrations`."""

from dataclasses import dataclass, field

from services.provisioner.rules.preflight import Holding
from services.provisioner.rules.reachability import DnsAnswer, Probe, ProbeOutcome
from shared.identifiers import DomainId


@dataclass(slots=True)
class FixedDns:
    """Gives one answer for every name; *asked* has the names."""

    answer: DnsAnswer
    asked: list[str] = field(default_factory=list)

    async def resolve(self, name: str) -> DnsAnswer:
        """Return the answer."""
        self.asked.append(name)
        return self.answer


@dataclass(slots=True)
class FixedProbe:
    """Sees one outcome for every name; *expected* and *known* have what it was given."""

    outcome: ProbeOutcome = ProbeOutcome.OK
    expected: list[str] = field(default_factory=list)
    known: list[DnsAnswer | None] = field(default_factory=list)

    async def fetch(self, name: str, *, token: str, expected: str, known: DnsAnswer | None = None) -> Probe:
        """Return the outcome."""
        self.expected.append(expected)
        self.known.append(known)
        return Probe(outcome=self.outcome, detail="192.0.2.1 answers with HTTP status 404")


@dataclass(slots=True)
class FixedRegistrations:
    """Knows one registration."""

    found: Holding

    async def holding(self, domain_id: DomainId) -> Holding:
        """Return whether it holds its name."""
        return self.found
