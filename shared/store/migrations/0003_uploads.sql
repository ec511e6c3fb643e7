-- Customers' own certificates: uploads that wait for a verdict, to whom they are attached, and who may do what with them.

CREATE SCHEMA validator;

-- Validator ---------------------------------------------------------------------------------------------------------

-- An upload from its arrival to its verdict, and after that the record that its identifier was used.
CREATE TABLE validator.uploads (
    certificate_id text PRIMARY KEY CHECK (certificate_id ~ '^cert_[0-9A-Za-z_-]{1,100}$'),
    tenant text NOT NULL,
    state text NOT NULL CHECK (state IN ('received', 'accepted', 'rejected')),
    content_sha256 bytea NOT NULL CHECK (length(content_sha256) = 32),  -- of all that it asked for: a copy has the same
    bundle text,                                    -- as it came; gone with the verdict
    sealed bytea,                                   -- the key, sealed to the intake; gone with the verdict
    intake_key_id text NOT NULL,
    attach text[] NOT NULL,
    description text NOT NULL DEFAULT '',
    metadata text NOT NULL DEFAULT '',
    requested_at timestamptz NOT NULL,              -- ce-time
    correlation_id text,
    traceparent text,
    attempt integer NOT NULL DEFAULT 0,             -- tries that came to nothing by a fault of ours
    is_slow boolean NOT NULL DEFAULT false,         -- it takes long, and waits until there is room for such
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease_token bigint NOT NULL DEFAULT 0,          -- fences: every write names the token it was claimed with
    lease_holder text,
    lease_until timestamptz,
    stored_certificate_id text REFERENCES registry.certificates ON DELETE SET NULL,
    reasons jsonb NOT NULL DEFAULT '[]',
    warnings jsonb NOT NULL DEFAULT '[]',
    received_at timestamptz NOT NULL DEFAULT now(),
    judged_at timestamptz,
    CHECK ((state = 'received') = (bundle IS NOT NULL)),
    CHECK ((state = 'received') = (sealed IS NOT NULL))
);
CREATE INDEX uploads_due ON validator.uploads (tenant, is_slow, (attempt > 0), next_attempt_at) WHERE state = 'received';
CREATE INDEX uploads_by_intake_key ON validator.uploads (intake_key_id) WHERE state = 'received';
CREATE INDEX uploads_judged ON validator.uploads (judged_at) WHERE state <> 'received';
CREATE INDEX uploads_by_stored_certificate ON validator.uploads (stored_certificate_id)
    WHERE stored_certificate_id IS NOT NULL;

-- Which warnings of a coming end were told: each once for a certificate, a domain and a number of days.
CREATE TABLE validator.expiry_notices (
    certificate_id text NOT NULL REFERENCES registry.certificates ON DELETE CASCADE,
    domain_id text NOT NULL REFERENCES registry.domains,
    days smallint NOT NULL,
    told_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (certificate_id, domain_id, days)
);

-- Registry ----------------------------------------------------------------------------------------------------------

-- Uploads whose end is near are looked for every minute; nobody needs to pass over all the automatic certificates.
CREATE INDEX certificates_uploaded_by_not_after ON registry.certificates (not_after) WHERE source = 'uploaded';

-- What the platform lets a tenant do; a tenant without a row may do what the settings say.
CREATE TABLE registry.tenants (
    tenant text PRIMARY KEY,
    uploads_allowed boolean NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Attachments asked for before their domain was registered: there is no order between events.
CREATE TABLE registry.awaited_attachments (
    tenant text NOT NULL,
    name text NOT NULL,
    certificate_id text NOT NULL,
    requested_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, name),
    FOREIGN KEY (certificate_id, tenant) REFERENCES registry.certificates (id, tenant) ON DELETE CASCADE
);
CREATE INDEX awaited_attachments_by_certificate ON registry.awaited_attachments (certificate_id);

-- The ce-time of the newest request that attached or detached: an older one changes nothing.
ALTER TABLE registry.domains ADD COLUMN attachment_requested_at timestamptz;

-- Says what a tenant's certificate is and for which names, and keeps it from being deleted until the transaction ends;
-- no row if there is none. A function, since a row lock needs a right to UPDATE, which nobody has.
CREATE FUNCTION registry.hold_certificate(wanted_id text, of_tenant text)
RETURNS TABLE (source text, names text[]) LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT source, names FROM registry.certificates WHERE id = wanted_id AND tenant = of_tenant FOR KEY SHARE
$$;

-- Forgets an uploaded certificate and erases its key, if no living domain uses it. Returns NULL when the tenant has no
-- such certificate, else the names of the domains that use it: none of them, and it is deleted. Whoever attaches it at
-- the same time holds its row by the foreign key, or finds none.
CREATE FUNCTION registry.delete_uploaded_certificate(unwanted_id text, of_tenant text) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    unwanted_key_id text;
    users text[];
BEGIN
    SELECT key_id INTO unwanted_key_id FROM registry.certificates
    WHERE id = unwanted_id AND tenant = of_tenant AND source = 'uploaded' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(array_agg(name ORDER BY name), '{}') INTO users FROM registry.domains
    WHERE deleted_at IS NULL
        AND (attached_certificate_id = unwanted_id OR terminate_tls ->> 'server_certificate_id' = unwanted_id);
    IF users = '{}' THEN
        DELETE FROM registry.revocations WHERE certificate_id = unwanted_id;
        DELETE FROM terminator.staples WHERE certificate_id = unwanted_id;
        DELETE FROM registry.certificates WHERE id = unwanted_id;
        DELETE FROM registry.keys WHERE id = unwanted_key_id
            AND NOT EXISTS (SELECT FROM registry.certificates WHERE key_id = unwanted_key_id);
    END IF;
    RETURN users;
END $$;

-- Messaging: the validator's own facts ------------------------------------------------------------------------------

ALTER TABLE messaging.outbox DROP CONSTRAINT outbox_check;
ALTER TABLE messaging.outbox ADD CONSTRAINT outbox_check CHECK (CASE service
    WHEN 'provisioner' THEN type IN ('domain.changed', 'domain.rejected', 'certificate.ready',
        'certificate.rejected', 'certificate.failed', 'certificate.expiring', 'certificate.revoked')
    WHEN 'validator' THEN type IN ('domain.changed', 'certificate.ready', 'certificate.rejected',
        'certificate.expiring', 'certificate.deleted', 'certificate.deletion_refused')
    WHEN 'terminator' THEN type = 'certificate.deployed'
    WHEN 'api' THEN type IN ('domain.changed', 'domain.rejected')
    ELSE false END);

-- Who may do what ---------------------------------------------------------------------------------------------------

GRANT USAGE ON SCHEMA validator TO certsmith_validator, certsmith_api, certsmith_operator, certsmith_keeper;
REVOKE ALL ON FUNCTION registry.delete_uploaded_certificate FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.delete_uploaded_certificate TO certsmith_validator;
REVOKE ALL ON FUNCTION registry.hold_certificate FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.hold_certificate TO certsmith_provisioner, certsmith_validator, certsmith_api;

GRANT SELECT,
    INSERT (certificate_id, tenant, state, content_sha256, bundle, sealed, intake_key_id, attach, description, metadata,
        requested_at, correlation_id, traceparent, reasons, judged_at),
    UPDATE (state, bundle, sealed, attempt, is_slow, next_attempt_at, lease_token, lease_holder, lease_until,
        stored_certificate_id, reasons, warnings, judged_at),
    DELETE
    ON validator.uploads TO certsmith_validator;
GRANT SELECT (certificate_id, tenant, state, intake_key_id, attach, description, metadata, requested_at, correlation_id,
        attempt, next_attempt_at, lease_holder, lease_until, stored_certificate_id, reasons, warnings, received_at,
        judged_at)
    ON validator.uploads TO certsmith_api, certsmith_operator;
GRANT SELECT (intake_key_id, state, received_at) ON validator.uploads TO certsmith_keeper;  -- what still needs a key
GRANT SELECT, INSERT (certificate_id, domain_id, days) ON validator.expiry_notices TO certsmith_validator;

GRANT SELECT ON registry.tenants TO certsmith_validator;
GRANT SELECT, INSERT, UPDATE (uploads_allowed, updated_at), DELETE
    ON registry.tenants TO certsmith_api, certsmith_operator;
GRANT SELECT, INSERT, DELETE
    ON registry.awaited_attachments TO certsmith_provisioner, certsmith_validator, certsmith_api;
GRANT SELECT ON registry.awaited_attachments TO certsmith_operator;
GRANT INSERT (attachment_requested_at), UPDATE (attachment_requested_at)
    ON registry.domains TO certsmith_provisioner, certsmith_api;
GRANT UPDATE (attachment_requested_at) ON registry.domains TO certsmith_validator;

-- A signing key that is rotated out must open no door: the keeper checks each signature and makes it anew.
GRANT UPDATE (signing_key_id, signature) ON registry.keys TO certsmith_keeper;
CREATE POLICY signed_anew ON registry.keys FOR UPDATE TO certsmith_keeper USING (true);
