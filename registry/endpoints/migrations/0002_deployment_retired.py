from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("endpoints", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="retired",
            field=models.DateTimeField(null=True),
        ),
    ]
