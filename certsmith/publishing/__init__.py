"""Publishing a request from the command line and, with `--wait`, following it to its result."""
