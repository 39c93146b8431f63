"""The environments that ship, and the owner group that things belong to unless somebody says otherwise."""

from django.db import migrations

ENVIRONMENTS = (
    ("development", "Development", False, "grey"),
    ("testing", "Testing", False, "blue"),
    ("demo", "Demo", False, "violet"),
    ("staging", "Staging", True, "amber"),
    ("production", "Production", True, "red"),
)


def ship(apps, schema_editor):
    environments = apps.get_model("opsconsole", "Environment").objects
    for order, (name, label, protected, colour) in enumerate(ENVIRONMENTS, 1):
        wanted = {"label": label, "protected": protected, "order": order * 10, "colour": colour}
        environments.get_or_create(name=name, defaults=wanted)
    apps.get_model("opsconsole", "OwnerGroup").objects.get_or_create(name="default")


class Migration(migrations.Migration):
    dependencies = [("opsconsole", "0001_initial")]
    operations = [migrations.RunPython(ship, migrations.RunPython.noop)]
