from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("attached", "0002_hosts")]

    operations = [
        migrations.AddField("host", "secret", models.CharField(blank=True, max_length=127, default="", db_default="")),
        migrations.AddField("host", "forward", models.BooleanField(default=False, db_default=False)),
        migrations.AddField("host", "forwarded", models.PositiveIntegerField(null=True)),
    ]
