"""Read-only views for people, each read with one query: for the command line, the API and the dashboard.

`hosted` reads domains with their certificates, orders and deployments; `standing` sums up a domain in a word and a
sentence; `certificates` and `uploads` read these; `backlog` counts waiting orders; `fates` reads whether one request
was handled or refused; `schema` reads the schema's version. All of them need the operator's rights only.
"""
