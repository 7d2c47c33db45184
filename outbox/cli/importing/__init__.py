"""What `outbox import` is made of: reading the file, filling the template, checking all, sending."""
