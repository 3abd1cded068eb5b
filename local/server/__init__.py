"""The process behind the API's, the console's and AWS's ports: it puts their parts together."""
