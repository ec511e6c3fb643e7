"""Key rotations as `certsmith` does them, without a hint to the terminator."""

from dataclasses import replace
from typing import Any

from certsmith.rotation.resealing import Resigner, Rewrapper, StoredSignature, StoredWrap
from certsmith.rotation.ring_files import SIGNING, VAULT, RingFiles
from services.terminator.rules.selection import Domain
from shared.vault import KeyFiles, SealedKey
from shared.vault.rings import utc_now
from tests.fakes.terminator_store import Issuer


def turn_vault(keys: KeyFiles, domain: Domain) -> Domain:
    """Give the vault a new key and delete the old one; return *domain* sealed to the new one."""
    ring, sealed = RingFiles(keys, VAULT), key_of(domain)
    new = ring.begin(now=utc_now(), active_from=utc_now())
    to = ring.public.find(new.id)
    assert to is not None
    wrap = Rewrapper(ring.secret, to=to).renew(
        StoredWrap(
            key_id=sealed.key_id,
            tenant=domain.tenant,
            writer=sealed.writer,
            public_key=sealed.public_key,
            ring_key_id=sealed.vault_key_id,
            wrap=sealed.wrap,
            version=1,
        )
    )
    ring.forget([sealed.vault_key_id], now=utc_now())
    return with_key(domain, vault_key_id=new.id, wrap=wrap)


def turn_signing(keys: KeyFiles, domain: Domain) -> Domain:
    """Give the provisioner a new signing key and delete the old one; return *domain* signed with the new one."""
    ring, sealed = RingFiles(keys, SIGNING["provisioner"]), key_of(domain)
    new = ring.begin(now=utc_now(), active_from=utc_now())
    signature = Resigner(ring.public, writer="provisioner", to=new).renew(
        StoredSignature(
            key_id=sealed.key_id,
            tenant=domain.tenant,
            writer=sealed.writer,
            format=sealed.format,
            public_key=sealed.public_key,
            ciphertext=sealed.ciphertext,
            ring_key_id=sealed.signing_key_id,
            signature=sealed.signature,
            created_at=utc_now(),
        )
    )
    ring.forget([sealed.signing_key_id], now=utc_now())
    return with_key(domain, signing_key_id=new.id, signature=signature)


def have_looked(issuer: Issuer, domain: Domain) -> None:
    """Make the node look at its ring files, as it does every second."""
    for changes in ({"vault_key_id": "gone"}, {"signing_key_id": "gone"}):
        assert not issuer.reader.has_keys_for(key_of(with_key(domain, **changes)))


def key_of(domain: Domain) -> SealedKey:
    """Return the sealed key of the automatic certificate."""
    assert domain.automatic is not None
    assert domain.automatic.key is not None
    return domain.automatic.key


def with_key(domain: Domain, **changes: Any) -> Domain:
    """Return *domain* with other fields of its sealed key."""
    assert domain.automatic is not None
    return replace(domain, automatic=replace(domain.automatic, key=replace(key_of(domain), **changes)))
