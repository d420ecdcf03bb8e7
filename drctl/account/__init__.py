"""What policy claims of an AWS account, against what the account says. Reads only."""
