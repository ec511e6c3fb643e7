"""The sandbox: processes that judge uploads and hold nothing else, so that a hostile upload gains nothing.

`pool` keeps a bounded number of them and hands out uploads; `process` is one of them seen from the validator, `inside`
is what runs in it; `messages` is all that the two sides send to each other.
"""
