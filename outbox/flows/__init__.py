"""What the service does, one duty a file; everything outside is handed in as an argument."""
