"""One certificate: the leaf, its names, and the profile that all certificates must follow."""
