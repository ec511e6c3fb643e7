-- All of an order's state in its row: cancelled is a state, and a request to retry an order in a worker's hands is a
-- column of its own.
--
-- The previous release goes on working beside this one. It writes only `cancelled_at` for a cancelled order, and
-- `checks = -1` for a retry asked of a leased one; it reads both. A trigger translates:
--
-- * `cancelled_at` set               -> state 'cancelled'. This release writes both, and the previous one leaves alone
--                                       every order with a `cancelled_at`, so it never meets the state it does not know.
-- * `retry_asked` changed            -> `checks` becomes -1 or non-negative, for a worker of the previous release.
-- * else the sign of `checks` changed -> `retry_asked` follows, for a worker of this release. This release leaves
--                                       `checks` as it is while a retry is asked and the lease is kept.
--
-- The indexes by which the previous release claims (`orders_due`, `orders_due_by_tenant`) stay until it is gone; those of
-- this release follow its own condition, the states alone. "One need, one order" has one index for both: with the
-- constraint below, a cancelled state and a `cancelled_at` are the same rows. A later migration drops the trigger and
-- the two indexes, and then `checks` is never negative.

ALTER TABLE provisioner.orders
    ADD COLUMN retry_asked boolean NOT NULL DEFAULT false,  -- due again as soon as its worker releases it
    DROP CONSTRAINT orders_state_check,
    ADD CONSTRAINT orders_state_check CHECK (state IN ('queued', 'waiting_dns', 'keyed', 'ordering', 'ordered',
        'validating', 'finalizing', 'issued', 'failed', 'parked', 'cancelled'));
UPDATE provisioner.orders SET state = 'cancelled' WHERE cancelled_at IS NOT NULL;
UPDATE provisioner.orders SET retry_asked = true WHERE checks < 0;
ALTER TABLE provisioner.orders
    ADD CONSTRAINT orders_cancelled_check CHECK ((state = 'cancelled') = (cancelled_at IS NOT NULL));

DROP INDEX provisioner.orders_one_per_need;
CREATE UNIQUE INDEX orders_one_per_need ON provisioner.orders (domain_id, key_type)
    WHERE state NOT IN ('issued', 'failed', 'parked', 'cancelled');
CREATE INDEX orders_unfinished ON provisioner.orders (next_attempt_at)
    WHERE state NOT IN ('issued', 'failed', 'parked', 'cancelled');
-- Claimed tenant by tenant, those that have not failed first.
CREATE INDEX orders_unfinished_by_tenant ON provisioner.orders (tenant, (attempt > 0), next_attempt_at)
    WHERE state NOT IN ('issued', 'failed', 'parked', 'cancelled');

CREATE FUNCTION provisioner.translate_order() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.cancelled_at IS NOT NULL THEN
        NEW.state := 'cancelled';
    END IF;
    IF NEW.retry_asked <> OLD.retry_asked THEN
        NEW.checks := CASE WHEN NEW.retry_asked THEN -1 ELSE greatest(NEW.checks, 0) END;
    ELSIF (NEW.checks < 0) <> (OLD.checks < 0) THEN
        NEW.retry_asked := NEW.checks < 0;
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION provisioner.translate_order FROM PUBLIC;
CREATE TRIGGER translate BEFORE UPDATE ON provisioner.orders FOR EACH ROW
    WHEN (NEW.cancelled_at IS NOT NULL OR NEW.retry_asked <> OLD.retry_asked OR (NEW.checks < 0) <> (OLD.checks < 0))
    EXECUTE FUNCTION provisioner.translate_order();

GRANT UPDATE (retry_asked) ON provisioner.orders TO certsmith_provisioner;
