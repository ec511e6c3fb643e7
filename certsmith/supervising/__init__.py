"""`certsmith up`: runs all services as children of one process, restarts those that crash, and leaves none behind.

`running` is the command as a whole, `supervisor` keeps the services running, `service` is one child process and its
output, `tether` stops a child when its parent dies, and `loglines` makes log lines readable.
"""
