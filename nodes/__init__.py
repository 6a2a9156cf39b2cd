"""The relay node: clients on one side, the store on the other, a connect ordering between.

May import: delivery, wire.
"""
