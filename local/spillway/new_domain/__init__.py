"""The command `new-domain` and the texts that it fills in, written for a domain called orders."""
