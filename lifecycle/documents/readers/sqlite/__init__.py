"""What SQLite and Cloudflare D1 write: dumps as SQL, and the file itself."""
