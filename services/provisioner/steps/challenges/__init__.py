"""One file for each kind of challenge (RFC 8555 section 8): what it publishes, and how it checks that from outside.

Each implements `services.provisioner.steps.validate.Challenge`. TLS-ALPN-01 (RFC 8737) and DNS-01 go here too.
"""
