"""What every process needs, written once. It imports no database, no broker and no rules.

`running` starts a service, keeps it until a stop, and ends its parts in order; `lifecycle` is signals, grace period and
exit codes; `health` serves `/metrics`, `/live` and `/ready`, and `health_check` asks for them. `leased_work` is the
loop of a worker that claims rows under a lease; `periodic` is a chore done every few seconds; `backoff` is the delay
between tries. `confinement` limits what a process can do and who can look into it, `keepalive` notices peers that
vanished, and `ipc` is the messages between two processes of one service.
"""
