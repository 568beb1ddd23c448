from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("artifacts", "0001_initial")]

    operations = [
        migrations.AddIndex(
            "artifact",
            models.Index(fields=["run", "path"], name="artifact_by_folder", opclasses=["", "varchar_pattern_ops"]),
        ),
    ]
