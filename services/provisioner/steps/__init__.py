"""The steps of an order, one file for each; `services.provisioner.runner` calls them in turn.

A step does what the order's state asks for and returns what happened, as a value of `results`. The runner commits it,
together with the new state, and calls the next step. A step opens no transaction and sees no database, so it can be
tested with a recording CA alone.

`prepare`, `create_order` (`intend`, then `create_order`), `validate` (`publish`, then `validate`), `finalize`. Each
kind of challenge is one file in `challenges`.
"""
