"""The text of an upload: PEM blocks (RFC 7468), and formats that were sent instead of PEM."""
