"""A judge: a process that looks at strangers' bundles and keys, one at a time, and has nothing else.

No database, no broker, no key ring, no environment: what it has is the upload in hand, and its socket to the validator.
If an upload should get the better of it, that is all there is to get. See `process`; `limits` is what it may use.
"""
