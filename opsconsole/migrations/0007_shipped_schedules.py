"""The schedules that every console begins with: a backup of every database each night, a drill each week."""

from django.db import migrations
from django.utils import timezone


def ship(apps, schema_editor):
    rows = apps.get_model("opsconsole", "Schedule").objects.using(schema_editor.connection.alias)
    common = {"version": 1, "created_at": timezone.now()}
    rows.create(name="nightly-backup", title="Nightly backup", kind="backup", cron="0 2 * * *", **common)
    rows.create(
        name="weekly-drill", title="Weekly drill", kind="verify", parameters={"level": "V2"}, cron="0 4 * * 0", **common
    )


class Migration(migrations.Migration):
    dependencies = [("opsconsole", "0006_schedules")]
    operations = [migrations.RunPython(ship, migrations.RunPython.noop)]
