"""Measuring the rooms below: what is fast, what is slow, and why. No product code depends on it.

A published speed is nearly always that of the network alone. Here every stage is timed alone, all of them together, and
the two are held against each other: what bounds the whole, and how much the handing over costs.

* `measure`: stopwatches for one stage, and for all.
* `bounds`: from the stages' costs to what they allow together.
* `roofline`: what a network must compute and move, and what the machine can.
* `johnson`: the classic network to compare with.
* `fresh`: a process of its own: time to the first frame, peak memory.
* `cases`, `run`, `result`: what is measured, in which order, and what the readings come to, as plain values.
* `report` and `chart` show a result; `readme` puts it into a README.
* `live` and `long`: how the live filter keeps up, and what a long film costs in memory; commands of their own.
* `trace`: the recorder behind `restyle video --profile`.
"""
