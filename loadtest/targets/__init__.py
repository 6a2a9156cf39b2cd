"""What a load-test user connects to, and how it reads what it is sent.

May import: delivery, wire, the rest of loadtest.
"""
