"""The browser page of a node, `/demo`: its files, and the way from it to the producer.

`chat-client.js` is the client code, for anybody to use; docs/demo.md explains both.
"""
