-- The tables of Certsmith. Schemas are owned by parts; who may do what stands in 0002_grants.sql.

CREATE SCHEMA registry;
CREATE SCHEMA provisioner;
CREATE SCHEMA terminator;
CREATE SCHEMA messaging;

-- Registry: what is hosted, and the certificates for it ------------------------------------------------------------

-- One sequence for all rows: drawn under the row's lock, so the versions of a row, and of a name, only grow.
CREATE SEQUENCE registry.versions;

CREATE TABLE registry.keys (
    id text PRIMARY KEY CHECK (id ~ '^key_[0-9a-z]{24}$'),
    tenant text NOT NULL,
    writer text NOT NULL CHECK (writer IN ('provisioner', 'validator')),
    format smallint NOT NULL,
    signing_key_id text NOT NULL,
    public_key bytea NOT NULL,              -- SubjectPublicKeyInfo, DER
    ciphertext bytea NOT NULL,              -- PKCS #8 DER under the data key, XChaCha20-Poly1305
    signature bytea NOT NULL,               -- Ed25519 over context and ciphertext
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, tenant)                     -- so that what refers to a key must be of its tenant
);

-- Apart from the keys, so that a rotation rewrites 100 bytes a key and signatures stay.
CREATE TABLE registry.key_wraps (
    key_id text PRIMARY KEY REFERENCES registry.keys ON DELETE CASCADE,
    vault_key_id text NOT NULL,
    wrap bytea NOT NULL,                    -- data key and context hash in a SealedBox
    version integer NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX key_wraps_by_vault_key ON registry.key_wraps (vault_key_id);

-- The identifier of a chain: SHA-256 of the SHA-256 of each of its certificates. Hashes of one length, so that the same
-- bytes cut at other places are another chain.
CREATE FUNCTION registry.chain_id(certificates bytea[]) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN (SELECT sha256(coalesce(string_agg(sha256(certificate), ''::bytea ORDER BY place), ''::bytea))
        FROM unnest(certificates) WITH ORDINALITY AS parts (certificate, place));

-- What follows a leaf; the same few rows serve all leaves of an issuer. The check keeps a writer from putting another
-- chain under the identifier of one that others will use.
CREATE TABLE registry.chains (
    id bytea PRIMARY KEY CHECK (id = registry.chain_id(certificates)),
    certificates bytea[] NOT NULL                   -- DER, issuer of the leaf first; may be empty
);

CREATE TABLE registry.certificates (
    id text PRIMARY KEY CHECK (id ~ '^cert_[0-9A-Za-z_-]{1,100}$'),
    tenant text NOT NULL,
    source text NOT NULL CHECK (source IN ('automatic', 'uploaded')),
    leaf bytea NOT NULL,                            -- DER
    chain_id bytea NOT NULL REFERENCES registry.chains,
    key_id text NOT NULL,
    key_type text NOT NULL CHECK (key_type IN ('ecdsa', 'rsa', 'ed25519')),
    names text[] NOT NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    serial_number text NOT NULL,                    -- lower-case hexadecimal
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),    -- SHA-256 of the leaf
    issuer text NOT NULL,
    publicly_trusted boolean,                       -- null: nobody looked
    description text NOT NULL DEFAULT '',
    metadata text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant, fingerprint),
    UNIQUE (id, tenant),
    FOREIGN KEY (key_id, tenant) REFERENCES registry.keys (id, tenant)
);
CREATE INDEX certificates_by_not_after ON registry.certificates (not_after);
CREATE INDEX certificates_by_key ON registry.certificates (key_id);

CREATE TABLE registry.revocations (
    certificate_id text PRIMARY KEY REFERENCES registry.certificates,
    reason text NOT NULL,
    revoked_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE registry.domains (
    id text PRIMARY KEY CHECK (id ~ '^rd_[0-9a-z]{24}$'),
    tenant text NOT NULL,
    name text NOT NULL CHECK (name = lower(name) AND length(name) BETWEEN 1 AND 253),
    holds_name boolean NOT NULL,                    -- of several tenants' rows for a name, one is served
    upstream text,
    terminate_tls jsonb,
    policy jsonb,                                   -- certificate_management_policy; null: not automatic
    automatic_certificate_id text,
    attached_certificate_id text,
    description text NOT NULL DEFAULT '',
    metadata text NOT NULL DEFAULT '',
    requested_at timestamptz NOT NULL,              -- ce-time of the newest request that was applied
    version bigint NOT NULL,
    changed_xid xid8 NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,                         -- the tombstone: the row stays, so that versions and ids go on
    UNIQUE (tenant, name),
    FOREIGN KEY (automatic_certificate_id, tenant) REFERENCES registry.certificates (id, tenant),
    FOREIGN KEY (attached_certificate_id, tenant) REFERENCES registry.certificates (id, tenant)
);
CREATE UNIQUE INDEX domains_holding_a_name ON registry.domains (name) WHERE holds_name AND deleted_at IS NULL;
CREATE INDEX domains_by_name ON registry.domains (name);
CREATE INDEX domains_by_change ON registry.domains (changed_xid);
CREATE INDEX domains_by_automatic_certificate ON registry.domains (automatic_certificate_id)
    WHERE automatic_certificate_id IS NOT NULL;
CREATE INDEX domains_by_attached_certificate ON registry.domains (attached_certificate_id)
    WHERE attached_certificate_id IS NOT NULL;
CREATE INDEX domains_by_named_certificate ON registry.domains ((terminate_tls ->> 'server_certificate_id'))
    WHERE terminate_tls IS NOT NULL;

-- In the database, so that no writer can forget it: every write is a new version, and `changed_xid` lets a node ask
-- for what changed since a snapshot without missing a transaction that committed late. A tombstone holds nothing.
CREATE FUNCTION registry.stamp_domain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.deleted_at IS NOT NULL THEN
        NEW.holds_name := false;
        NEW.automatic_certificate_id := NULL;
        NEW.attached_certificate_id := NULL;
    END IF;
    NEW.version := nextval('registry.versions');
    NEW.changed_xid := pg_current_xact_id();
    NEW.updated_at := now();
    RETURN NEW;
END $$;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON registry.domains
    FOR EACH ROW EXECUTE FUNCTION registry.stamp_domain();

CREATE TABLE registry.challenges (
    order_id text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('http-01', 'tls-alpn-01', 'dns-01')),
    answer text NOT NULL,                           -- HTTP-01: the account's JWK thumbprint
    token text NOT NULL DEFAULT '',                 -- '' for HTTP-01: one row answers for all tokens
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, kind, order_id, token)
);
CREATE INDEX challenges_by_order ON registry.challenges (order_id);

-- Provisioner -------------------------------------------------------------------------------------------------------

CREATE TABLE provisioner.accounts (
    id text PRIMARY KEY CHECK (id ~ '^acct_[0-9a-z]{24}$'),
    ca text NOT NULL,                               -- directory URL
    url text,                                       -- the CA's name for it, "kid"; null until registered
    thumbprint text NOT NULL,                       -- RFC 7638
    sealed_key bytea NOT NULL,
    sealing_key_id text NOT NULL,
    contact text,
    created_at timestamptz NOT NULL DEFAULT now(),
    registered_at timestamptz,
    retired_at timestamptz
);
CREATE UNIQUE INDEX accounts_current ON provisioner.accounts (ca) WHERE retired_at IS NULL;

CREATE TABLE provisioner.budgets (
    ca text NOT NULL,
    scope text NOT NULL,                            -- which limit: 'new_orders', 'registered_domain', ...
    subject text NOT NULL,                          -- whom it limits: account id, registered domain, set of names
    tokens double precision NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    blocked_until timestamptz,                      -- what the CA itself said (Retry-After)
    PRIMARY KEY (ca, scope, subject)
);

CREATE TABLE provisioner.orders (
    id text PRIMARY KEY CHECK (id ~ '^ord_[0-9a-z]{24}$'),
    domain_id text NOT NULL REFERENCES registry.domains,
    tenant text NOT NULL,
    names text[] NOT NULL,
    key_type text NOT NULL CHECK (key_type IN ('ecdsa', 'rsa')),
    profile text,
    ca text NOT NULL,                               -- directory URL
    account_id text REFERENCES provisioner.accounts,
    reason text NOT NULL CHECK (reason IN ('created', 'updated', 'renewal', 'requested', 'replaced')),
    replaces_certificate_id text REFERENCES registry.certificates,
    state text NOT NULL CHECK (state IN ('queued', 'waiting_dns', 'keyed', 'ordering', 'ordered', 'validating',
                                         'finalizing', 'issued', 'failed', 'parked')),
    attempt integer NOT NULL DEFAULT 0,             -- failed tries at the CA
    checks integer NOT NULL DEFAULT 0,              -- looks at the DNS or the CA since the last progress
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease_token bigint NOT NULL DEFAULT 0,          -- fences: every write names the token it was claimed with
    lease_holder text,
    lease_until timestamptz,
    key_id text REFERENCES registry.keys,
    csr bytea,
    order_url text,
    finalize_url text,
    authorization_urls text[] NOT NULL DEFAULT '{}',
    order_expires_at timestamptz,
    certificate_id text REFERENCES registry.certificates,
    error_code text,                                -- 'DNS_ERROR', 'CAA_ERROR', ... null: nothing is wrong
    message text,                                   -- one sentence that names who must do what
    problem jsonb,                                  -- what the CA said, as it said it
    failing_since timestamptz,
    correlation_id text,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    cancelled_at timestamptz
);
-- One need, one order.
CREATE UNIQUE INDEX orders_one_per_need ON provisioner.orders (domain_id, key_type)
    WHERE state NOT IN ('issued', 'failed', 'parked') AND cancelled_at IS NULL;
CREATE INDEX orders_due ON provisioner.orders (next_attempt_at)
    WHERE state NOT IN ('issued', 'failed', 'parked') AND cancelled_at IS NULL;
-- Claimed tenant by tenant, those that have not failed first.
CREATE INDEX orders_due_by_tenant ON provisioner.orders (tenant, (attempt > 0), next_attempt_at)
    WHERE state NOT IN ('issued', 'failed', 'parked') AND cancelled_at IS NULL;
CREATE INDEX orders_by_url ON provisioner.orders (order_url) WHERE order_url IS NOT NULL;
CREATE INDEX orders_by_domain ON provisioner.orders (domain_id, created_at DESC);

-- Terminator --------------------------------------------------------------------------------------------------------

CREATE TABLE terminator.staples (
    certificate_id text PRIMARY KEY REFERENCES registry.certificates,
    response bytea NOT NULL,                        -- OCSP response, DER
    this_update timestamptz NOT NULL,
    next_update timestamptz NOT NULL,
    fetched_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE terminator.deployments (
    node text NOT NULL,
    domain text NOT NULL,
    certificate_id text NOT NULL,
    version bigint NOT NULL,
    latency_seconds double precision NOT NULL,
    deployed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (node, domain)
);
CREATE INDEX deployments_by_domain ON terminator.deployments (domain);

-- Messaging ---------------------------------------------------------------------------------------------------------

CREATE TABLE messaging.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service text NOT NULL,
    key text NOT NULL,                              -- rows of one key are published in order
    type text NOT NULL,
    event_id text NOT NULL,
    source text NOT NULL,
    subject text,
    time timestamptz NOT NULL,
    correlation_id text,
    traceparent text,
    data jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Each service tells what is its own to tell: who steals a role of the terminator forges no `certificate.ready`.
    CHECK (CASE service
        WHEN 'provisioner' THEN type IN ('domain.changed', 'domain.rejected', 'certificate.ready',
            'certificate.rejected', 'certificate.failed', 'certificate.expiring', 'certificate.revoked')
        WHEN 'validator' THEN type IN ('domain.changed', 'certificate.ready', 'certificate.rejected')
        WHEN 'terminator' THEN type = 'certificate.deployed'
        WHEN 'api' THEN type IN ('domain.changed', 'domain.rejected')
        ELSE false END)
);
CREATE INDEX outbox_of_a_service ON messaging.outbox (service, id);

CREATE TABLE messaging.inbox (
    consumer text NOT NULL,
    user_id text NOT NULL,                          -- the broker's word for who published; '' where it gave none
    source text NOT NULL,
    event_id text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, user_id, source, event_id)
);
CREATE INDEX inbox_by_age ON messaging.inbox (received_at);

CREATE TABLE messaging.dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service text NOT NULL,
    queue text NOT NULL,
    exchange text NOT NULL,
    routing_key text NOT NULL,
    reason_code text NOT NULL,
    reason text NOT NULL,
    type text,
    event_id text,
    source text,
    user_id text,
    correlation_id text,
    message_id text,
    content_type text,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    is_whole boolean NOT NULL,                      -- false: not all of the body was kept
    received_at timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz
);
CREATE INDEX dead_letters_by_event ON messaging.dead_letters (event_id);

CREATE TABLE messaging.leases (
    name text PRIMARY KEY CHECK (right(name, length(service) + 1) = '.' || service),  -- nobody takes another's name
    service text NOT NULL,
    holder text,
    token bigint NOT NULL DEFAULT 0,                -- fences; grows with each new holder
    held_until timestamptz NOT NULL DEFAULT '-infinity'
);
