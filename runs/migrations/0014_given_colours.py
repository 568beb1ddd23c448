from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runs", "0013_turns")]

    operations = [
        migrations.AddField(model_name="run", name="given_colour", field=models.PositiveSmallIntegerField(null=True)),
    ]
