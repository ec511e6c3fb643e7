"""`certsmith validate`: judges a bundle and a key on this machine, by the validator's rules, without any server.

`request` is one validation request, parsed from what people and programs write; `files` reads it from the command line,
`batch` from lines of JSON. `document` shows a judgement to programs, `tree` to people.
"""
