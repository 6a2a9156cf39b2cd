"""Locust: WebSocket users that join in the middle of an answer and record what they receive.

May import: delivery, wire, locust.
"""
