"""Makes and rotates key rings, with the rights of the database role `certsmith_keeper`.

A new key is first written to the files of its readers, then to those of its writers, and becomes active a little later
(`steps`, `ring_files`). Stored keys are then sealed or signed again, batch by batch (`batches`, `resealing`,
`stored_keys`), until nothing current needs the older key. That key is then retired (`vault`), deleted (`signing`), or
kept for as long as an upload that was sealed to it may still arrive (`intake`). `options` has the options of a
rotation and its report, `usage` counts the uses of each key. `generation` makes the first key rings (`key_pairs`).

The ring files record how far a rotation has come: it may be interrupted at any point, and continues when it runs again.
"""

from certsmith.rotation.options import RetiredKey, RotationBlockedError, RotationOptions, RotationReport, SkippedKey
from certsmith.rotation.steps import rotate

__all__ = ["RetiredKey", "RotationBlockedError", "RotationOptions", "RotationReport", "SkippedKey", "rotate"]
