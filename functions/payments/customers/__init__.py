"""Customers of tenants, each with the payment methods that it has saved: tokens, never cards."""
