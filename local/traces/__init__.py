"""Traces: contexts on the wire, spans, the store of this machine, and OTLP in and out."""
