"""The deploy drill: the real SAM, on an AWS emulator of its own; `make deploy-drill`."""
