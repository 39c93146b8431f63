"""The links of the audit history as the database holds them, and where a walk may pass over them.

No model is needed here: a scout starts with the database's connection alone, in half the time that Django's apps take.
"""
