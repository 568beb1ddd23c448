from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("snapshots", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="snapshot",
            name="sent_again",
            field=models.DateTimeField(null=True),
        ),
    ]
