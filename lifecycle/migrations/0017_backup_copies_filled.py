"""Every backup that is there lies in the console's own store; a damaged one is damaged there."""

from django.db import migrations


def fill(apps, schema_editor):
    copies = apps.get_model("lifecycle", "BackupCopy")
    there = apps.get_model("lifecycle", "Backup").objects.exclude(state="expired").order_by("pk")
    rows = there.values_list("pk", "state", "finished_at").iterator(500)
    made = (copies(backup_id=pk, store="local", state=state, made_at=at) for pk, state, at in rows)
    copies.objects.bulk_create(made, batch_size=500)


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0016_backup_copies")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
