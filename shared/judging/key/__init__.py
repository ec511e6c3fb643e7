"""Rules for keys: which types are accepted, how a private key is read, and whether it matches and is strong."""
