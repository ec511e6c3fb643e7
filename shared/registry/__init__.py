"""The registry: the hosted domains, their certificates, and rules for single tenants.

Its tables are in the schema `registry`. All services and the command line use it, each with the rights of its own
database role (`docs/grants.md`)::

    domains/      registers, changes, attaches, deletes and transfers; the newest request wins, in any order of arrival
    certificates  stores and reads certificates and their sealed keys
    tenants       rules for single tenants, such as whether they may upload
    events        publishes facts in the transaction that changes the registry
    order_states  the final states of an order, for SQL
    views/        read-only views for people: the command line and the dashboard

Functions that change the registry work in their caller's transaction, so that a change and its fact are committed
together. The views also read the tables of the services. Start with `domains`: its docstring has the rules of names,
versions and locks.
"""
