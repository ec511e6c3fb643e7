"""Join several fields into bytes that can be split in only one way."""


def length_prefixed(*fields: bytes) -> bytes:
    """Return *fields*, each after its length in four bytes, so that no other list of fields gives the same bytes."""
    return b"".join(len(field).to_bytes(4) + field for field in fields)
