"""The vault: how private keys are kept so that only the terminator can open them.

A certificate's private key is encrypted with a random data key of its own; the data key is sealed to the *vault*, whose
secret half only the terminator's control process has (`sealing`). Who seals a key also signs it, so rows can be neither
forged nor swapped by whoever can write the tables. Uploads travel sealed to the *intake*, whose secret half only the
validator has (`intake`). The keys of ACME accounts are sealed with a secret of the provisioner's own (`account_box`).

All of them are rings of keys with ids (`rings`) in files (`ring_files`), so that they rotate; `files` says where, and
processes follow them while they run (`live`). `rotating` has the steps by which a ring's keys follow each other, and
`resealing` what is done to stored keys meanwhile. Public halves come from files too, never from the database.
Everything but the files is pure.

Python cannot wipe memory: opened keys live as short as possible, and nothing here shows one in a `repr` or an error.
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
