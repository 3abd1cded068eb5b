"""The local AWS beside other ways to run the same handler on one machine."""
