from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runs", "0011_seats")]

    operations = [
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("status__in", ["running", "starting", "preparing", "finalizing"])),
                fields=["started"],
                name="runs_executing",
            ),
        ),
    ]
