"""What a check found, kept: reports and findings, compared with the ones before."""
