"""The inside of a function's process: host, environments, handler, frames and limits."""
