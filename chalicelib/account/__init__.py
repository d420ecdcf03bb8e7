"""What policy promises of an AWS account, judged by what the account says: by the clock, and by people. Reads only."""
