"""Rules for one certificate: the profile that every certificate must follow, the leaf, and its names."""
