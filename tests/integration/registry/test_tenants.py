"""Rules for single tenants, set by operators and read by the validator."""

from shared.registry import tenants
from shared.store import open_connection


async def test_a_rule_for_a_tenant_holds_for_it_alone(database_url: str) -> None:
    async with (
        open_connection(database_url, role="operator") as operator,
        open_connection(database_url, role="validator") as validator,
    ):
        await tenants.set_uploads_allowed(operator, "acme", allowed=False)
        await tenants.set_uploads_allowed(operator, "", allowed=True)

        assert not await tenants.uploads_allowed(validator, "acme", default=True)
        assert await tenants.uploads_allowed(validator, "", default=False)
        assert await tenants.uploads_allowed(validator, "other", default=True)
        assert not await tenants.uploads_allowed(validator, "other", default=False)


async def test_a_rule_can_be_changed_and_deleted(database_url: str) -> None:
    async with open_connection(database_url, role="operator") as operator:
        await tenants.set_uploads_allowed(operator, "acme", allowed=False)
        await tenants.set_uploads_allowed(operator, "acme", allowed=True)
        changed = await tenants.rules(operator)
        forgotten = await tenants.forget(operator, "acme")
        again = await tenants.forget(operator, "acme")

        assert [(rule.tenant, rule.uploads_allowed) for rule in changed] == [("acme", True)]
        assert (forgotten, again) == (True, False)
        assert await tenants.rules(operator) == ()
