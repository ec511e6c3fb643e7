"""The commands as people see them: names, options, help. Docstrings here are the help texts, so they teach."""
