from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0022_schema_changes_of_runs")]

    operations = [
        migrations.AlterField(
            model_name="rehearsal",
            name="mode",
            field=models.CharField(
                choices=[
                    ("pending", "on a copy"),
                    ("fresh", "from nothing"),
                    ("back", "taking back, on a copy"),
                ],
                max_length=8,
            ),
        ),
    ]
