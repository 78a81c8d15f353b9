-- What is in the audit log stays: only an address is forgotten in time.
CREATE FUNCTION audit_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever added to';
END $$;

CREATE TRIGGER audit_keeps_entries BEFORE DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION audit_is_only_added_to();

CREATE TRIGGER audit_keeps_contents BEFORE UPDATE ON audit
FOR EACH ROW WHEN (NEW.id <> OLD.id OR NEW.at_ms <> OLD.at_ms OR NEW.author <> OLD.author
    OR NEW.action <> OLD.action OR NEW.subject_id IS DISTINCT FROM OLD.subject_id
    OR NEW.detail <> OLD.detail OR NEW.address IS NOT NULL)
EXECUTE FUNCTION audit_is_only_added_to();
