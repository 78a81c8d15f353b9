-- What is in the audit log stays: only an address is forgotten in time.
CREATE TRIGGER audit_keeps_entries BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;

CREATE TRIGGER audit_keeps_contents BEFORE UPDATE ON audit
WHEN NEW.id <> OLD.id OR NEW.at_ms <> OLD.at_ms OR NEW.author <> OLD.author
    OR NEW.action <> OLD.action OR NEW.subject_id IS NOT OLD.subject_id
    OR NEW.detail <> OLD.detail OR NEW.address IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;
