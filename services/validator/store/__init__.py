"""The validator's SQL: uploads, claims on them, and their verdicts with what they write to the registry."""
