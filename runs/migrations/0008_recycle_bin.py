import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("runs", "0007_latest_values"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="archived",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="run",
            name="deleted_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("deleted__isnull", False)), fields=["workspace", "deleted"], name="runs_in_bin"
            ),
        ),
    ]
