"""What a user may give as STYLE, and how a network is made of it.

    text -> reference (what it names) -> painting (a picture, prepared) -> emitted (its network) -> blend -> resolve

`reference`, `painting`, `cache` and `check` need no torch, so that a wrong style is refused before it is imported.
"""
