"""The registry: hosted domains, certificates and tenants. Their rules, their SQL, and the views shown to people."""
