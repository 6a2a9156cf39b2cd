"""What others would use instead, each doing the same work as chunk7's part that it is set beside.

They run in an environment of their own (`make peers`: build/peers, from requirements.txt and
package.json here), so they import neither chunk7 nor each other, but for `shared_feed`.
"""
