"""The code of a sandbox process: it judges untrusted bundles and keys, one at a time, and has access to nothing else.

No database, no broker, no key ring, no environment: it holds the current upload and its socket to the validator. An
upload that takes the process over gains no more than that. `process` is its loop, `limits` is what it may use, and
`abandoning` gives up an upload when the validator asks.

It imports `messages`, `shared.judging` and helpers of `shared.process`, and nothing else of this project.
"""
