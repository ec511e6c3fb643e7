"""The command line, `certsmith`: for people at a terminal and for scripts.

`application` says which commands there are. A module of `commands` has the words and options of one group, and imports
what does the work only when it is run, so that `--help` is there at once. `exits` has the exit codes, `terminal` says
how results are shown, `failures` how errors are.
"""
