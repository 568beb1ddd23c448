from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kernel", "0001_initial")]

    operations = [
        migrations.AddField("blobref", "unnamed", models.DateTimeField(null=True)),
        migrations.AddIndex("blobref", models.Index(fields=["sha256"], name="blob_by_hash")),
    ]
