"""The live filter: newest picture first, one at a time, and never a queue that grows.

    camera ─► newest picture ─► Painter (engine) ─► shown in the main thread ─► virtual camera, recording

Three threads of `realtime.pipeline` and the main thread, which the window needs for itself: while it shows one picture,
the next is being painted. What comes too fast is dropped and counted.
"""
