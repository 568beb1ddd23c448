"""The database itself refuses to change or delete a line of the audit trail.

One change is let through: a deleted workspace leaves its lines without a key (they keep its slug).
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION audit_entry_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.workspace_id IS NULL
       AND to_jsonb(NEW) - 'workspace_id' = to_jsonb(OLD) - 'workspace_id' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'entries of the audit trail are never changed or deleted'
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_append_only();
"""
BACKWARD = """
DROP TRIGGER audit_entry_append_only ON audit_entry;
DROP FUNCTION audit_entry_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
