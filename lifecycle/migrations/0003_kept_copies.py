"""A kept database becomes one of two ways in which what an operation replaced is kept."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0002_initial"), ("opsconsole", "0002_shipped_rows")]

    operations = [
        migrations.RenameModel(old_name="KeptDatabase", new_name="KeptCopy"),
        migrations.RenameField(model_name="keptcopy", old_name="dropped_at", new_name="ended_at"),
        migrations.AlterModelOptions(name="keptcopy", options={"ordering": ["-id"]}),
        migrations.AlterField(
            model_name="keptcopy",
            name="database",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="kept_copies", to="opsconsole.database"
            ),
        ),
        migrations.AlterField(
            model_name="keptcopy",
            name="operation",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="kept_copy", to="opsconsole.operation"
            ),
        ),
        migrations.AlterField(
            model_name="keptcopy", name="name", field=models.CharField(blank=True, max_length=63)
        ),
        migrations.AddField(
            model_name="keptcopy",
            name="way",
            field=models.CharField(
                choices=[
                    ("database", "a database of its own beside the live one"),
                    ("backup", "the safety backup that was taken first"),
                ],
                default="database",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="keptcopy",
            name="state",
            field=models.CharField(
                choices=[("kept", "kept"), ("undone", "taken back"), ("dropped", "no longer kept")],
                default="kept",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="keptcopy",
            name="backup",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="kept_as",
                to="lifecycle.backup",
            ),
        ),
        migrations.AddField(
            model_name="keptcopy", name="live_incarnation", field=models.CharField(blank=True, max_length=300)
        ),
        migrations.AddField(model_name="keptcopy", name="holds", field=models.BigIntegerField(default=0)),
        migrations.AddField(model_name="keptcopy", name="made", field=models.BigIntegerField(default=0)),
        migrations.AddField(
            model_name="keptcopy",
            name="undone_by",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="undid",
                to="opsconsole.operation",
            ),
        ),
        migrations.AddField(model_name="keptcopy", name="tried_at", field=models.DateTimeField(null=True)),
        migrations.AddIndex(
            model_name="keptcopy", index=models.Index(fields=["state", "expires_at"], name="kept_by_expiry")
        ),
    ]
