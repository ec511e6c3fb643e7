"""`certsmith up`: all services as children of one process, which restarts what crashes and leaves nothing behind.

`tether` ties a child's life to ours, `service` is one child and its log, `supervisor` keeps all of them, `loglines`
makes what they write readable.
"""
