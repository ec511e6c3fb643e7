"""Several fields as one run of bytes that can be cut up in one way only."""


def framed(*fields: bytes) -> bytes:
    """Return *fields*, each after its length in four bytes, so that no field can lend bytes to its neighbour."""
    return b"".join(len(field).to_bytes(4) + field for field in fields)
