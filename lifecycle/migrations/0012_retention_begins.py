from django.db import migrations
from django.utils import timezone


def begin(apps, schema_editor):
    """A console that has backups already lets none go until somebody has looked at what would go."""
    had_some = apps.get_model("lifecycle", "Backup").objects.exists()
    why = "This console had backups before it had retention: look at what would go, and agree to it."
    apps.get_model("lifecycle", "RetentionPass").objects.create(
        pk=1, paused_at=timezone.now() if had_some else None, paused_why=why if had_some else ""
    )


class Migration(migrations.Migration):

    dependencies = [("lifecycle", "0011_retention")]

    operations = [migrations.RunPython(begin, migrations.RunPython.noop)]
