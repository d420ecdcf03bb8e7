"""What all tests share: botocore's descriptions of the services, read and parsed once a process.

Each `boto3.Session` has a loader of its own that keeps what it has read, and moto makes a session for many a question.
"""

from __future__ import annotations

from functools import cache

import botocore.session

botocore.session.create_loader = cache(botocore.session.create_loader)
