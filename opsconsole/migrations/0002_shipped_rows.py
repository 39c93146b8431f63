"""The rows that every console begins with: environments, one owner group, the fence counter, the open bootstrap, the
default policy."""

from datetime import UTC, datetime

from django.db import migrations

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
ENVIRONMENTS = (
    # name, label, protected, order (the higher, the stricter), colour
    ("development", "Development", False, 10, "grey"),
    ("testing", "Testing", False, 20, "blue"),
    ("demo", "Demo", False, 30, "green"),
    ("staging", "Staging", False, 40, "amber"),
    ("production", "Production", True, 50, "red"),
)


def ship(apps, schema_editor):
    def of(name):
        return apps.get_model("opsconsole", name).objects.using(schema_editor.connection.alias)

    for name, label, protected, order, colour in ENVIRONMENTS:
        of("Environment").create(name=name, label=label, protected=protected, order=order, colour=colour)
    of("OwnerGroup").create(name="default")
    of("FenceCounter").create(pk=1, value=0)
    of("Bootstrap").create(closed_at=None)
    of("Policy").create(
        name="default", version=1, title="Protected databases", match={}, clauses=[{"role": "approvers", "count": 1}],
        min_people=1, valid_minutes=240, windows=[], enabled=True, effective_at=BEGINNING, created_at=BEGINNING,
    )


class Migration(migrations.Migration):
    dependencies = [("opsconsole", "0001_initial")]
    operations = [migrations.RunPython(ship, migrations.RunPython.noop)]
