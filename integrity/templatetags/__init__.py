"""How findings look."""
