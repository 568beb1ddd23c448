from django.db import migrations, models
from django.db.models import F, Func

import studio.kernel.documents

# A summary has its latest point as [step, time, value]; what is no series has none.
FUNCTION = """
CREATE FUNCTION zaffre_latest(summaries jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_object_agg(key, value -> 'latest' -> 2), '{}') FROM jsonb_each(summaries)
    WHERE jsonb_typeof(value -> 'latest') = 'array'
$$
"""
# Neither packed, which costs a search more than the rest, nor the first to be moved out of a long row: that is `metrics`.
STORAGE = "ALTER TABLE runs_run ALTER COLUMN latest SET STORAGE EXTERNAL"


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0006_quick_documents"),
    ]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION zaffre_latest(jsonb)"),
        migrations.AddField(
            model_name="run",
            name="latest",
            field=models.GeneratedField(
                db_persist=True,
                expression=Func(F("metrics"), function="zaffre_latest"),
                output_field=studio.kernel.documents.UnreadJSON(),
            ),
        ),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
    ]
