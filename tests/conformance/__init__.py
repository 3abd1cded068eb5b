"""How much of AWS's behaviour the local AWS reproduces, in numbers: `make conformance`."""
