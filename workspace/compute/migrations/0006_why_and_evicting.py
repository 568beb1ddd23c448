from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("compute", "0005_shelf")]

    operations = [
        migrations.AddField("computetarget", "why", models.JSONField(default=dict, db_default={})),
        migrations.AddField("node", "why", models.JSONField(default=dict, db_default={})),
        migrations.AddField("node", "evicting", models.JSONField(default=dict, db_default={})),
        migrations.AddField("happening", "why", models.JSONField(default=dict, db_default={})),
    ]
