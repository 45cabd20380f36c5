"""Measures how fast restyle is, and why.

Published speeds are mostly those of the network alone. Here every stage is timed alone (`measure`), all of them
together, and the two are compared (`bounds`, `roofline`). `cases` says what is measured, `run` does it, `result` is
what comes out, `report` and `chart` show it. `gpu` is the report on a CUDA device, `trace` the recorder behind
`restyle video --profile`.
"""
