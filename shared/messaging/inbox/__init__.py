"""The inbox: consuming requests, each acted on once, in the transaction that also enters it into the inbox table.

`consumer` reads the queues, `settlement` decides what one message leads to, `undelivered` and `shortened` make dead
letters out of what was refused, and `table` is the SQL.
"""

from shared.messaging.inbox.table import enter, forget, prune

__all__ = ["enter", "forget", "prune"]
