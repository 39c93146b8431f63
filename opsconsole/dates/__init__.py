"""How dates and times are written in the admin; our own pages say it in their templates."""
