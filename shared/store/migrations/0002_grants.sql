-- Who may do what. Nobody can do what his part does not need; docs/grants.md says the same as a table, and a test tries
-- every cell of it as the real role. `certsmith migrate` creates the roles: they belong to the whole cluster.

-- Nothing for everybody ---------------------------------------------------------------------------------------------

DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY, CREATE ON DATABASE %I FROM PUBLIC', current_database());
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA registry FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

GRANT USAGE ON SCHEMA registry TO certsmith_provisioner, certsmith_validator, certsmith_terminator, certsmith_api,
    certsmith_keeper, certsmith_operator;
GRANT USAGE ON SCHEMA provisioner TO certsmith_provisioner, certsmith_api, certsmith_operator;
GRANT USAGE ON SCHEMA terminator TO certsmith_terminator, certsmith_api, certsmith_operator;
GRANT USAGE ON SCHEMA messaging TO certsmith_provisioner, certsmith_validator, certsmith_terminator, certsmith_api,
    certsmith_operator;

-- Every process asks whether the schema is the one it needs.
GRANT SELECT ON public.certsmith_migrations TO certsmith_provisioner, certsmith_validator, certsmith_terminator,
    certsmith_api, certsmith_keeper, certsmith_operator;

-- Registry ----------------------------------------------------------------------------------------------------------

GRANT SELECT ON registry.domains TO certsmith_provisioner, certsmith_validator, certsmith_terminator, certsmith_api,
    certsmith_operator;
-- The provisioner attaches too, because `domain.created` and `domain.updated` name the attached certificate.
GRANT INSERT (id, tenant, name, holds_name, upstream, terminate_tls, policy, attached_certificate_id, description,
        metadata, requested_at, deleted_at),
    UPDATE (holds_name, upstream, terminate_tls, policy, attached_certificate_id, description, metadata, requested_at,
        deleted_at)
    ON registry.domains TO certsmith_provisioner, certsmith_api;
GRANT UPDATE (automatic_certificate_id) ON registry.domains TO certsmith_provisioner;
GRANT UPDATE (attached_certificate_id) ON registry.domains TO certsmith_validator;

-- Certificates and keys are never changed, by anybody.
GRANT SELECT ON registry.certificates, registry.chains TO certsmith_provisioner, certsmith_validator,
    certsmith_terminator, certsmith_api, certsmith_operator;
GRANT INSERT (id, tenant, source, leaf, chain_id, key_id, key_type, names, not_before, not_after, serial_number,
        fingerprint, issuer, publicly_trusted, description, metadata)
    ON registry.certificates TO certsmith_provisioner, certsmith_validator;
GRANT INSERT ON registry.chains TO certsmith_provisioner, certsmith_validator;
GRANT EXECUTE ON FUNCTION registry.chain_id TO certsmith_provisioner, certsmith_validator;

-- Who seals a key has no need to read it again.
GRANT INSERT (id, tenant, writer, format, signing_key_id, public_key, ciphertext, signature)
    ON registry.keys TO certsmith_provisioner, certsmith_validator;
GRANT INSERT (key_id, vault_key_id, wrap) ON registry.key_wraps TO certsmith_provisioner, certsmith_validator;
GRANT SELECT (key_id) ON registry.key_wraps TO certsmith_provisioner, certsmith_validator;  -- whether it was erased
GRANT SELECT ON registry.keys, registry.key_wraps TO certsmith_terminator, certsmith_keeper;
GRANT UPDATE (vault_key_id, wrap, version, updated_at) ON registry.key_wraps TO certsmith_keeper;

GRANT SELECT ON registry.revocations TO certsmith_provisioner, certsmith_validator, certsmith_terminator,
    certsmith_api, certsmith_operator;
GRANT INSERT (certificate_id, reason) ON registry.revocations TO certsmith_provisioner;

GRANT SELECT, INSERT (order_id, name, kind, answer, token, expires_at), UPDATE (answer, expires_at), DELETE
    ON registry.challenges TO certsmith_provisioner;
GRANT SELECT ON registry.challenges TO certsmith_terminator;

-- A service writes certificates and keys of its own making only.
ALTER TABLE registry.certificates ENABLE ROW LEVEL SECURITY;
CREATE POLICY read ON registry.certificates FOR SELECT USING (true);
CREATE POLICY automatic ON registry.certificates FOR INSERT TO certsmith_provisioner WITH CHECK (source = 'automatic');
CREATE POLICY uploaded ON registry.certificates FOR INSERT TO certsmith_validator WITH CHECK (source = 'uploaded');
ALTER TABLE registry.keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY read ON registry.keys FOR SELECT USING (true);
CREATE POLICY own ON registry.keys FOR INSERT TO certsmith_provisioner, certsmith_validator
    WITH CHECK (writer = replace(current_user, 'certsmith_', ''));

-- Erasing a key is deleting its wrap: what stays cannot be opened by anybody. Only keys that the provisioner made for a
-- deleted domain, and only when no living domain serves a certificate with them.
CREATE FUNCTION registry.erase_keys(deleted_domain_id text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    erased bigint;
BEGIN
    DELETE FROM registry.key_wraps AS wrap
    USING registry.domains AS deleted, provisioner.orders AS made, registry.keys AS key
    WHERE deleted.id = deleted_domain_id AND deleted.deleted_at IS NOT NULL
        AND made.domain_id = deleted.id AND made.key_id = wrap.key_id
        AND key.id = wrap.key_id AND key.tenant = deleted.tenant AND key.writer = 'provisioner'
        AND NOT EXISTS (
            SELECT FROM registry.certificates AS certificate
            JOIN registry.domains AS living ON living.deleted_at IS NULL AND (
                living.automatic_certificate_id = certificate.id
                OR living.attached_certificate_id = certificate.id
                OR living.terminate_tls ->> 'server_certificate_id' = certificate.id)
            WHERE certificate.key_id = wrap.key_id)
        AND NOT EXISTS (
            SELECT FROM provisioner.orders AS other
            JOIN registry.domains AS living ON living.id = other.domain_id AND living.deleted_at IS NULL
            WHERE other.key_id = wrap.key_id);
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END $$;
GRANT EXECUTE ON FUNCTION registry.erase_keys TO certsmith_provisioner, certsmith_api;

-- Provisioner -------------------------------------------------------------------------------------------------------

GRANT SELECT,
    INSERT (id, ca, url, thumbprint, sealed_key, sealing_key_id, contact, registered_at),
    UPDATE (url, thumbprint, sealed_key, sealing_key_id, contact, registered_at, retired_at)
    ON provisioner.accounts TO certsmith_provisioner;
GRANT SELECT, INSERT, UPDATE (tokens, updated_at, blocked_until), DELETE
    ON provisioner.budgets TO certsmith_provisioner;
GRANT SELECT,
    INSERT (id, domain_id, tenant, names, key_type, profile, ca, account_id, reason, replaces_certificate_id, state,
        attempt, next_attempt_at, key_id, csr, failing_since, correlation_id, traceparent),
    UPDATE (names, key_type, profile, ca, account_id, reason, replaces_certificate_id, state, attempt, checks,
        next_attempt_at, lease_token, lease_holder, lease_until, key_id, csr, order_url, finalize_url,
        authorization_urls, order_expires_at, certificate_id, error_code, message, problem, failing_since,
        correlation_id, traceparent, updated_at, finished_at, cancelled_at)
    ON provisioner.orders TO certsmith_provisioner;
GRANT SELECT ON provisioner.budgets, provisioner.orders TO certsmith_api, certsmith_operator;

-- Terminator --------------------------------------------------------------------------------------------------------

GRANT SELECT, INSERT, UPDATE (response, this_update, next_update, fetched_at), DELETE
    ON terminator.staples TO certsmith_terminator;
GRANT SELECT, INSERT, UPDATE (certificate_id, version, latency_seconds, deployed_at), DELETE
    ON terminator.deployments TO certsmith_terminator;
GRANT SELECT ON terminator.staples, terminator.deployments TO certsmith_api, certsmith_operator;

-- Messaging: each its own rows --------------------------------------------------------------------------------------

GRANT SELECT, INSERT (service, key, type, event_id, source, subject, time, correlation_id, traceparent, data), DELETE
    ON messaging.outbox TO certsmith_provisioner, certsmith_validator, certsmith_terminator, certsmith_api;
GRANT SELECT, INSERT (consumer, user_id, source, event_id), DELETE
    ON messaging.inbox TO certsmith_provisioner, certsmith_validator, certsmith_terminator, certsmith_api;
GRANT INSERT (service, queue, exchange, routing_key, reason_code, reason, type, event_id, source, user_id,
        correlation_id, message_id, content_type, headers, body, is_whole)
    ON messaging.dead_letters TO certsmith_provisioner, certsmith_validator, certsmith_terminator, certsmith_api;
GRANT SELECT, INSERT, UPDATE (holder, token, held_until)
    ON messaging.leases TO certsmith_provisioner, certsmith_validator, certsmith_terminator, certsmith_api;

-- People look at everything, and decide what happens to a refused message.
GRANT SELECT ON messaging.outbox, messaging.leases TO certsmith_operator;
GRANT SELECT, UPDATE (replayed_at), DELETE ON messaging.dead_letters TO certsmith_operator, certsmith_api;
GRANT SELECT, DELETE ON messaging.inbox TO certsmith_operator, certsmith_api;     -- what is replayed is acted on again

ALTER TABLE messaging.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE messaging.inbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE messaging.dead_letters ENABLE ROW LEVEL SECURITY;
ALTER TABLE messaging.leases ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON messaging.outbox
    TO certsmith_provisioner, certsmith_validator, certsmith_terminator, certsmith_api
    USING (service = replace(current_user, 'certsmith_', ''));
CREATE POLICY own ON messaging.inbox
    TO certsmith_provisioner, certsmith_validator, certsmith_terminator, certsmith_api
    USING (split_part(consumer, '.', 1) = replace(current_user, 'certsmith_', ''));
CREATE POLICY own ON messaging.dead_letters
    FOR INSERT TO certsmith_provisioner, certsmith_validator, certsmith_terminator, certsmith_api
    WITH CHECK (service = replace(current_user, 'certsmith_', ''));
CREATE POLICY own ON messaging.leases
    TO certsmith_provisioner, certsmith_validator, certsmith_terminator, certsmith_api
    USING (service = replace(current_user, 'certsmith_', ''));
CREATE POLICY read ON messaging.outbox FOR SELECT TO certsmith_operator USING (true);
CREATE POLICY read ON messaging.leases FOR SELECT TO certsmith_operator USING (true);
CREATE POLICY read ON messaging.dead_letters FOR SELECT TO certsmith_operator, certsmith_api USING (true);
CREATE POLICY replay ON messaging.dead_letters FOR UPDATE TO certsmith_operator, certsmith_api USING (true);
CREATE POLICY drop ON messaging.dead_letters FOR DELETE TO certsmith_operator, certsmith_api USING (true);
CREATE POLICY read ON messaging.inbox FOR SELECT TO certsmith_operator, certsmith_api USING (true);
CREATE POLICY forget ON messaging.inbox FOR DELETE TO certsmith_operator, certsmith_api USING (true);
