from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("metrics", "0002_items"),
    ]

    operations = [
        migrations.AddField("metricchunk", "first_time", models.BigIntegerField(null=True)),
        migrations.AddField("metricchunk", "last_time", models.BigIntegerField(null=True)),
        migrations.AddField("metricchunk", "low", models.FloatField(null=True)),
        migrations.AddField("metricchunk", "high", models.FloatField(null=True)),
        migrations.AddField("metricchunk", "total", models.FloatField(null=True)),
        migrations.AddField("metricchunk", "odd", models.PositiveIntegerField(null=True)),
        migrations.AddField("metricchunk", "fine", models.BinaryField(null=True)),
        # Numbers hardly become smaller, and unpacking them would take longer than reading them.
        migrations.RunSQL(
            "ALTER TABLE metrics_metricchunk ALTER COLUMN fine SET STORAGE EXTERNAL",
            "ALTER TABLE metrics_metricchunk ALTER COLUMN fine SET STORAGE EXTENDED",
        ),
    ]
