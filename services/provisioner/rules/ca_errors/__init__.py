"""The remedy for an error of a certificate authority: `classify` looks it up in `table` and returns a `verdict`."""
