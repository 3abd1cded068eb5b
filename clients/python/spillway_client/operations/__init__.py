"""The operations of the API, a class a domain; the client has them all."""
