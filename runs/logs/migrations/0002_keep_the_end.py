from django.db import migrations, models
from django.db.models import F


def move_the_cut(apps, schema_editor):
    """Logs that were full kept their beginning only: what was left out lies after it."""
    logs = apps.get_model("logs", "Log").objects.filter(elided__gt=0)
    logs.update(head=F("length"), length=F("length") + F("elided"))


class Migration(migrations.Migration):
    dependencies = [("logs", "0001_initial")]

    operations = [
        migrations.AddField("log", "head", models.BigIntegerField(default=0)),
        migrations.RunPython(move_the_cut, migrations.RunPython.noop),
    ]
