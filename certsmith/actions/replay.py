"""Publishing a dead letter again, as it was first published."""

from shared.errors import PermanentError
from shared.events import PUBLIC
from shared.messaging import dead_letters, inbox
from shared.messaging.broker.names import PUBLIC_EXCHANGE
from shared.messaging.codec.headers import restored
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.message import Message
from shared.messaging.publisher import PUBLISH_SECONDS, Publisher
from shared.store import Pool


async def replay(pool: Pool, publisher: Publisher, letter_id: int, *, seconds: float = PUBLISH_SECONDS) -> None:
    """Publish the dead letter *letter_id* with the exchange, routing key, headers and body that it had.

    Its service will act on it although it has seen it before. The dead letter stays, marked as replayed. If this is
    interrupted, the message may have been published although the dead letter is not marked.

    Raises:
        PermanentError: there is no such dead letter, or it cannot be published again; the text says why.
        BrokerUnavailableError: the broker did not confirm it within *seconds*.
    """
    async with pool.acquire() as connection:
        stored = await dead_letters.find(connection, letter_id)
    if stored is None:
        raise PermanentError(f"there is no dead letter {letter_id}")
    message = _message_of(letter_id, stored.letter)
    if stored.letter.event_id is not None:
        async with pool.transaction() as connection:
            await inbox.forget(
                connection,
                consumer=stored.letter.service,
                source=stored.letter.source or "",
                event_id=stored.letter.event_id,
            )
    await publisher.send(message, seconds=seconds)
    async with pool.transaction() as connection:
        await dead_letters.mark_replayed(connection, letter_id)


def _message_of(letter_id: int, letter: DeadLetter) -> Message:
    if not letter.is_whole:
        raise PermanentError(
            f"dead letter {letter_id} was not kept whole ({letter.reason_code}) and cannot be replayed: "
            "publish it again"
        )
    # Only requests become dead letters. Replaying a fact would be a way to forge one.
    if letter.exchange != PUBLIC_EXCHANGE or letter.routing_key not in PUBLIC:
        raise PermanentError(
            f"dead letter {letter_id} is of type {letter.routing_key!r}, which is not a request: publish it again "
            f"as one of {', '.join(sorted(PUBLIC))}"
        )
    return Message(
        exchange=letter.exchange,
        routing_key=letter.routing_key,
        body=letter.body,
        headers=restored(letter.headers),
        content_type=letter.content_type,
        message_id=letter.message_id,
        correlation_id=letter.correlation_id,
    )
