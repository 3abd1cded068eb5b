"""`python -m loadtest capacity`: the search for the highest rate that a system holds."""
