"""Rules for the text of an upload: PEM blocks (RFC 7468), and other formats that were sent instead."""
