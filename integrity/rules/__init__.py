"""What people say must hold in a database: kinds of rules, what they need, and what they ask."""
