"""The vault: private keys are stored so that only the terminator can open them.

A certificate's private key is encrypted with its own random data key. The data key is sealed to the *vault*, whose
secret half only the terminator's control process has (`sealing`). The service that seals a key also signs it, so write
access to the tables is not enough to forge or swap rows. Uploads travel sealed to the *intake*, whose secret half only
the validator has (`intake`). ACME account keys are sealed with the provisioner's own secret (`account_box`).

Each of these keys is part of a key ring with key ids (`rings`), so that it can rotate. Rings are JSON files
(`ring_storage`); public halves come from files too, never from the database:

* `key_files`: which rings there are, where their files are, and the object that each process makes from its rings.
* `live`: reads a ring again while the process runs; `derived`: rebuilds a value when its ring changes.
* `in_place`: replaces a ring's file without changing its inode.
* `length_prefix`: joins fields into bytes that can be split in only one way, for signatures and associated data.

`certsmith.rotation` generates and rotates the rings, and seals stored keys again. Everything except reading and writing
files is pure.

Python cannot wipe memory, so opened keys live as briefly as possible, and no `repr` or error shows one.
"""

from shared.vault.account_box import AccountKeyBox, SealedAccountKey
from shared.vault.intake import SealedUpload, SealedUploadError, UploadReader, UploadWriter
from shared.vault.key_files import KeyFiles
from shared.vault.rings import Ring, RingKey
from shared.vault.sealing import KeyReader, KeyWriter, SealedKey

__all__ = [
    "AccountKeyBox",
    "KeyFiles",
    "KeyReader",
    "KeyWriter",
    "Ring",
    "RingKey",
    "SealedAccountKey",
    "SealedKey",
    "SealedUpload",
    "SealedUploadError",
    "UploadReader",
    "UploadWriter",
]
