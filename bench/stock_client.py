"""The peer of issuance: the published `acme.client.ClientV2`, with a thread for each order in flight."""

import asyncio
import multiprocessing
import os
import queue
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from acme import challenges, client, crypto_util, errors, messages
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC

from dev.platform.platform import Platform

_USER_AGENT: Final = "certsmith-bench"


@dataclass(frozen=True, slots=True)
class Peer:
    """The duration of each order, and the client's CPU for one."""

    latencies: list[float]
    cpu_seconds_per_order: float


async def measure(platform: Platform, *, orders: int, in_flight: int) -> Peer:
    """Let the stock client obtain *orders* certificates through the same gate, in a process of its own."""
    hosts = [f"peer-{uuid4().hex[:10]}.example.com" for _ in range(orders)]
    await platform.point_here(*hosts)
    answers = multiprocessing.get_context("spawn").Manager().dict()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=answers[request.match_info["token"]])

    application = web.Application()
    application.add_routes([web.get("/.well-known/acme-challenge/{token}", answer)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, platform.addresses[0], platform.pebble.behaviour.http_port).start()
    try:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            arguments = (platform.gate.directory_url, str(platform.gate.ca_file), hosts, in_flight, answers)
            waiting = pool.apply_async(_obtain_all, arguments)
            return await asyncio.get_running_loop().run_in_executor(None, waiting.get)
    finally:
        await runner.cleanup()


def _obtain_all(directory: str, ca_file: str, hosts: list[str], in_flight: int, answers: dict[str, str]) -> Peer:
    os.environ["REQUESTS_CA_BUNDLE"] = ca_file
    key = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
    # One client for each thread, since a client is not thread-safe; made before the measurement begins.
    clients: queue.SimpleQueue[client.ClientV2] = queue.SimpleQueue()
    for _ in range(in_flight):
        clients.put(_client(directory, key))

    def obtain(host: str) -> float:
        acme = clients.get()
        try:
            while True:
                try:
                    return _obtain(acme, key, host, answers)
                except (
                    messages.Error
                ) as error:  # the client retries a refused nonce only once; then start the order again
                    if error.code != "badNonce":
                        raise
        finally:
            clients.put(acme)

    began = time.process_time()
    with ThreadPoolExecutor(in_flight) as threads:
        latencies = list(threads.map(obtain, hosts))
    return Peer(latencies, (time.process_time() - began) / len(hosts))


def _client(directory_url: str, key: JWK) -> client.ClientV2:
    """Return a client of the key's account, which the first call creates."""
    network = client.ClientNetwork(key, alg=ES256, user_agent=_USER_AGENT)
    acme = client.ClientV2(client.ClientV2.get_directory(directory_url, network), network)
    try:
        network.account = acme.new_account(messages.NewRegistration.from_data(terms_of_service_agreed=True))
    except errors.ConflictError as error:
        network.account = messages.RegistrationResource(uri=error.location, body=messages.Registration())
    return acme


def _obtain(acme: client.ClientV2, key: JWK, host: str, answers: dict[str, str]) -> float:
    """Return how long it took to obtain a certificate for *host*."""
    began = time.perf_counter()
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    pem = leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    order = acme.new_order(crypto_util.make_csr(pem, [host]))
    for authorization in order.authorizations:
        body = next(each for each in authorization.body.challenges if isinstance(each.chall, challenges.HTTP01))
        answers[body.chall.encode("token")] = body.validation(key)
        acme.answer_challenge(body, body.response(key))
    acme.poll_and_finalize(order)
    return time.perf_counter() - began
