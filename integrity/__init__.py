"""Whether the data is sound."""
