"""`locust -f loadtest/locustfile.py --host ws://HOST:PORT --producer http://HOST:PORT`"""

from locust import events

from loadtest.run import install
from loadtest.user import ChatUser

__all__ = ["ChatUser"]

install(events)
