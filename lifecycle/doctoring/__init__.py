"""What really stands in a database whose ledger and schema may not agree, and setting its ledger right again."""
