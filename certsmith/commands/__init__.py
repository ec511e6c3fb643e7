"""The commands as people see them: names, options and help. The docstring of a command is its help text."""
