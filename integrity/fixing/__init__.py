"""Setting right what checks find, on exactly the rows that were approved, and taking that back."""
