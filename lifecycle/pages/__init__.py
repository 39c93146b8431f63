"""The pages of this app, one noun a file."""
