"""The world as the provisioner meets it: ACME authorities, the DNS, and our own HTTP-01 answers seen from outside."""
