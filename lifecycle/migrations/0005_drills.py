"""What a drill proved of a backup, and the statements that a database's people check a restored copy by."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('lifecycle', '0004_kept_copies_filled'),
        ('opsconsole', '0002_shipped_rows'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='SmokeStatement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60)),
                ('statement', models.TextField()),
                ('set_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['name', '-id'],
            },
        ),
        migrations.AddField(
            model_name='backup',
            name='damaged_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='backup',
            name='drilled_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='backup',
            name='restore_seconds',
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name='backup',
            index=models.Index(fields=['database', '-drilled_at'], name='backup_by_drill'),
        ),
        migrations.AddField(
            model_name='smokestatement',
            name='database',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='smoke_statements', to='opsconsole.database'),
        ),
        migrations.AddField(
            model_name='smokestatement',
            name='operation',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='opsconsole.operation'),
        ),
        migrations.AddField(
            model_name='smokestatement',
            name='replaced_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='opsconsole.operation'),
        ),
        migrations.AddConstraint(
            model_name='smokestatement',
            constraint=models.UniqueConstraint(condition=models.Q(('replaced_by', None)), fields=('database', 'name'), name='one_smoke_statement_a_name'),
        ),
    ]
