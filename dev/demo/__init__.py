"""`make demo`: the main path on this machine, from an event to a verified HTTPS answer, in some seconds.

Private servers are started on loopback; then the commands are run that an operator would run: `certsmith keys
generate`, `certsmith migrate`, `certsmith up`. `domain.created` is published for some names, one of which points
somewhere else until its owner adds the record that is asked for; the owner of another has a certificate of his own,
which is uploaded with the command line. Each name is visited by HTTPS through the terminator, trusting nothing but the
root of its CA. At the end, and at Ctrl-C at any moment, all that was started is ended.

AMQP_URL, DATABASE_URL and AUTOCERT_CA name servers to use instead of private ones. A CA that is not ours validates
names of yours: DEMO_DOMAINS lists some that point to this machine, and DEMO_ROOTS_FILE holds the CA's root where it is
not among the system's. Settings of the services (PROVISIONER_…, TERMINATOR_…) are taken over then, and nothing is
uploaded.

`world` starts the servers, `customer` has the certificate that is uploaded, `story` is what happens, `board` and `show`
are how it is shown, `visitor` makes the requests, `upstream` answers them, `stay` prints what to try with KEEP=1.
"""
