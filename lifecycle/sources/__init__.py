"""Migration folders of the known tools, one tool a file, one shape (`base.Source`)."""
