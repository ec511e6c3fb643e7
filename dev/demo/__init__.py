"""`make demo`: the main path on this machine, from an event to a verified HTTPS answer, in some seconds.

It starts private servers on loopback, then runs the commands of an operator: `certsmith keys generate`, `certsmith
migrate`, `certsmith up`. It publishes `domain.created` for some names. One of them points to another address until its
owner adds the requested DNS record. The owner of another name already has a certificate, which the command line
uploads. Each name is visited over HTTPS through the terminator, by a client that trusts only the root of the name's CA.
At the end, and at Ctrl-C at any moment, everything that was started is ended.

AMQP_URL, DATABASE_URL and AUTOCERT_CA name servers to use instead of private ones. Another CA validates only your own
names: DEMO_DOMAINS lists names that point to this machine, and DEMO_ROOTS_FILE has the CA's root if the system does not
trust it. Then settings of the services (PROVISIONER_…, TERMINATOR_…) are used too, and nothing is uploaded.

`world` starts the servers, `customer` has the uploaded certificate, `story` runs everything in order, `board` and
`show` display it, `visitor` makes the requests, `upstream` answers them, `stay` prints commands to try with KEEP=1.
"""
