"""How long backups are kept: rules, what they mean for each backup, and the passes that carry them out.

`deciding` is pure: backups and a rule in, a fate and its reasons out. `facts` reads what it needs from the rows,
`rules` says which rule a database has, `passing` is the chore that applies them, `trash` the two steps of a deletion.
"""
