"""The keeper: rotates key rings while everything runs, with the rights of the role `certsmith_keeper`.

A new key is written where work is read, then where it is written, and becomes active a little later (`turning`). What
is stored is then sealed or signed anew, batch by batch (`passes`), until nothing current needs the older key, which is
then retired (`vault`), taken away (`signing`), or kept for as long as an upload that was sealed to it may still be on
its way (`intake`). `usage` says what needs which key.

The ring files say how far a rotation has come: it may be cut off at any point, and goes on when it is run again.
"""

from certsmith.rotation.options import RetiredKey, RotationBlockedError, RotationOptions, RotationReport, SkippedKey
from certsmith.rotation.steps import rotate

__all__ = ["RetiredKey", "RotationBlockedError", "RotationOptions", "RotationReport", "SkippedKey", "rotate"]
