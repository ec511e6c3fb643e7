"""The work of each command: one file for each file in `certsmith.commands`, except those with a folder of their own."""
