"""The slower evidence, on the real laboratory: each topic measures figures and holds them against targets.

A topic is a module here with ``async def figures(tell) -> list[dict]``; each figure has a name, a value,
a unit, a target and whether it is met. ``tell`` is called with a sentence about what is being done.
"""
