"""The command line, `certsmith`: the fourth program, for people at a terminal and for scripts.

`application` lists all commands, and each command passes through these folders:

* `commands/` declares it: name, options, help text. A command imports the code that does its work only when it runs,
  so that `--help` is quick.
* `actions/` does it: reads settings, connects to the database or the broker, shows the result. The larger commands
  have a folder each:
    * `publishing/` publishes a request and, with `--wait`, follows it to its result;
    * `validating/` judges a bundle and its key without a server;
    * `supervising/` runs all services as child processes (`certsmith up`);
    * `rotation/` makes key rings, and rotates them while the services run;
    * `migration/` creates the schema, database roles and broker users.

All of them use `terminal` (how results are shown), `failures` (how errors are shown), `exits` (the exit codes),
`settings`, and `database` and `broker` (connections and addresses). Services never import this package.
"""
