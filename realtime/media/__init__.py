"""Files, stills and test clips: everything that touches PyAV and OpenCV. Knows frames, knows nothing about networks.

Import from the modules (`realtime.media.reader`, ...): nothing is loaded here, so that `restyle --help` stays quick.
"""
