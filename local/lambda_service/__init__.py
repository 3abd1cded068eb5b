"""Lambda on this machine: pools of environments, dispatch, and the Invoke API."""
