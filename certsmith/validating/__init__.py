"""`certsmith validate`: a bundle and a key judged here, by the rules of the validator, without any server.

`request` says what can be asked and reads it from what people and programs write, `files` takes it from the command
line, `batch` from lines of JSON. `document` tells programs of a judgement, `tree` people.
"""
