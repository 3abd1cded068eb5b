"""The providers that payments speak to: each module speaks the protocol of `payments.provider`."""
