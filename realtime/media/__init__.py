"""Files, stills and test clips: everything that touches PyAV and OpenCV. Knows frames, knows nothing about networks.

Import from the modules (`realtime.media.files.reader`, ...): nothing is loaded here, so that `--help` stays quick.
"""
