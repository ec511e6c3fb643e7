"""Private keys: which types are accepted, how they are read, and whether they match and are strong."""
