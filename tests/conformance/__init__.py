"""The share of AWS's behaviour that the local AWS reproduces, in numbers: `make conformance`."""
