"""Engines: what runs a network on planes. One interface (`base.Engine`), planes in, planes out."""
