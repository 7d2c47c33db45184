"""The outside world, one thing a file: DynamoDB, the mail API, the stream, secrets, logs."""
