"""Setting right what a check found: exactly the rows that were approved, in one transaction, and back."""
