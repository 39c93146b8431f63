"""Commands about the soundness of databases."""
