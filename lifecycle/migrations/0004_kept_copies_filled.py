"""What is known of the databases that were kept already: whether they are there, and what was made live instead."""

from django.db import migrations


def fill(apps, schema_editor):
    live = {}  # by database: the operation whose content is live, so far
    for row in apps.get_model("lifecycle", "KeptCopy").objects.select_related("operation").order_by("id"):
        row.state = "dropped" if row.ended_at else "kept"
        row.holds, row.made = live.get(row.database_id, 0), row.operation_id
        row.live_incarnation = str(row.operation.witness.get("staging_oid") or "")
        row.save(update_fields=["state", "holds", "made", "live_incarnation"])
        live[row.database_id] = row.made


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0003_kept_copies")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
