"""The routes of no domain: health, access tokens and their keys, the API's own description."""
