"""A DNS server with features that pebble-challtestsrv lacks: missing names, whole chains, no answer, truncation."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from dev.ports import LOOPBACK, free_port

SILENT: Final = "silent"
"""A name whose queries are never answered."""


@dataclass(slots=True)
class NameServer(asyncio.DatagramProtocol):
    """Serves *records*, name -> (type, text) pairs, by UDP and TCP. It follows CNAMEs only with *follows*."""

    records: Mapping[str, list[tuple[str, str]]]
    follows: bool = False
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    truncates: bool = False
    port: int = field(default_factory=free_port)
    asked: list[str] = field(default_factory=list)
    _transport: asyncio.DatagramTransport | None = None

    @property
    def address(self) -> str:
        """Its address, as host:port."""
        return f"{LOOPBACK}:{self.port}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["NameServer"]:
        """Serve for the length of the block."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, (LOOPBACK, self.port))
        streams = await asyncio.start_server(self._stream, LOOPBACK, self.port)
        try:
            yield self
        finally:
            transport.close()
            streams.close()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # what it is here
        """Keep the transport that sends the answers."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer by UDP."""
        answer = self._answer(data, by_udp=True)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        answer = self._answer(await reader.readexactly(size), by_udp=False)
        if answer is not None:
            writer.write(len(answer).to_bytes(2, "big") + answer)
        writer.close()

    def _answer(self, data: bytes, *, by_udp: bool) -> bytes | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind}")
        if (SILENT, "") in self.records.get(name, ()):
            return None
        response = dns.message.make_response(query)
        response.set_rcode(self.rcode)
        if by_udp and self.truncates:
            response.flags |= dns.flags.TC
            return response.to_wire()
        self._fill(response, name, kind)
        return response.to_wire()

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        if name not in self.records:
            response.set_rcode(dns.rcode.NXDOMAIN)
        for of_kind, text in self.records.get(name, ()):
            if of_kind not in (kind, "CNAME"):
                continue
            response.answer.append(dns.rrset.from_text(f"{name}.", 0, "IN", of_kind, text))
            if of_kind == "CNAME" and self.follows:
                self._fill(response, text.rstrip("."), kind)
