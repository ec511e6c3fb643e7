"""What people are shown, read in one go: by the command line, the API and the dashboard; nothing here writes.

`hosted` reads domains with all that belongs to them, `standing` says of one in a word and a sentence how it is,
`backlog` counts what waits, `fates` tells what became of one request. All of it works with the operator's rights.
"""
