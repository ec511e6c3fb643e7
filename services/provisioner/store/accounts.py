"""The ACME account, one for each CA. Its key is made once, sealed with the provisioner's own secret, and kept forever.

Forever, because users name the account in their DNS (`accounturi` in CAA records).
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from services.provisioner.ports import AcmeAccount, CertificateAuthorities
from services.provisioner.rules.acme import ExternalAccount
from shared.identifiers import AccountId, new_account_id
from shared.store import Pool, Row
from shared.vault import AccountKeyBox

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Accounts:
    """Returns the account at a CA, registered on first use; safe for many processes at once."""

    pool: Pool
    authorities: CertificateAuthorities
    box: AccountKeyBox
    contact: str | None
    external_account: ExternalAccount | None
    _known: dict[str, tuple[AccountId, AcmeAccount]] = field(default_factory=dict, init=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def at(self, ca: str, *, deadline: float) -> tuple[AccountId, AcmeAccount]:
        """Return the account at the CA with the directory URL *ca*.

        Raises:
            AuthorityError: it is not registered yet and cannot be now.
        """
        if ca not in self._known:
            async with self._lock:
                if ca not in self._known:
                    self._known[ca] = await self._open(ca, deadline=deadline)
        return self._known[ca]

    def forget(self, ca: str) -> None:
        """Register the account again before its next use, because the CA does not know it."""
        self._known.pop(ca, None)

    async def _open(self, ca: str, *, deadline: float) -> tuple[AccountId, AcmeAccount]:
        row = await self._row(ca)
        key = self.box.open(row["sealed_key"], key_id=row["sealing_key_id"], context=f"{row['id']}\n{ca}")
        account = self.authorities.account(directory_url=ca, key_pkcs8=key, url=None)
        # Idempotent by key (RFC 8555 section 7.3.1). Done once in each process, which also discovers a lost account.
        registered = await account.register(
            contact=self.contact, external_account=self.external_account, deadline=deadline
        )
        if row["url"] != registered.url:
            async with self.pool.acquire() as connection:
                await connection.execute(
                    "UPDATE provisioner.accounts SET url = $2, contact = $3, registered_at = now() WHERE id = $1",
                    row["id"],
                    registered.url,
                    self.contact,
                )
            log.info("account_registered", account_id=row["id"], ca=ca, url=registered.url)
        return AccountId(row["id"]), account

    async def _row(self, ca: str) -> Row:
        async with self.pool.transaction() as connection:
            row = await connection.fetchrow(_SELECT, ca)
            if row is not None:
                return row
            account_id = new_account_id()
            key = self.authorities.new_key()
            sealed = self.box.seal(key, context=f"{account_id}\n{ca}")
            account = self.authorities.account(directory_url=ca, key_pkcs8=key, url=None)
            await connection.execute(
                "INSERT INTO provisioner.accounts (id, ca, thumbprint, sealed_key, sealing_key_id) "
                "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                account_id,
                ca,
                account.thumbprint,
                sealed.ciphertext,
                sealed.key_id,
            )
            row = await connection.fetchrow(_SELECT, ca)
            assert row is not None  # ours, or that of a process that was quicker
            return row


_SELECT = "SELECT id, url, sealed_key, sealing_key_id FROM provisioner.accounts WHERE ca = $1 AND retired_at IS NULL"
