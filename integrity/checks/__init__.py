"""What is looked for in every database, without anybody configuring it."""
