"""Data as documents: rows by table, apart from the engine that they came from and the file that they were found in."""
