"""`locust -f loadtest/locustfile.py --host ws://HOST:PORT --producer http://HOST:PORT`"""

import os
import sys

from locust import events

# Locust searches the current folder before all others, for good: a `chunk7/` there is not ours.
if os.getcwd() in sys.path:
    sys.path.remove(os.getcwd())

from chunk7.loadtest.run import install
from chunk7.loadtest.user import ChatUser

__all__ = ["ChatUser"]

install(events)
