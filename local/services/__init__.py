"""The other services of AWS: the process that runs them, makes a template's resources in them, and
brings what they have to tell to functions and queues.
"""
