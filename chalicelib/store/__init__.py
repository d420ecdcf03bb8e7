"""DynamoDB, and what the desk asks of any store."""
