"""`locust -f loadtest/locustfile.py --host ws://HOST:PORT --producer http://HOST:PORT`"""

from locust import events

from chunk7.loadtest.run import install
from chunk7.loadtest.user import ChatUser

__all__ = ["ChatUser"]

install(events)
