"""The stores: each implements the ports' primitives once, generically.

One folder a store; stores don't import each other. `mapping` is what they share: the JSON form of
a flow's definition. Importing this package imports no driver.
"""
