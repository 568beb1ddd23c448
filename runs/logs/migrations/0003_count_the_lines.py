from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("logs", "0002_keep_the_end")]

    operations = [
        # Null for what is there already: its lines are counted when somebody first reads it by lines.
        migrations.AddField("log", "newlines", models.BigIntegerField(null=True)),
        migrations.AlterField("log", "newlines", models.BigIntegerField(default=0, null=True)),
        migrations.AddField("log", "uncounted", models.BooleanField(default=False)),
        migrations.AddField("logchunk", "first_line", models.BigIntegerField(null=True)),
    ]
