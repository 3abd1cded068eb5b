"""WebSocket APIs: connections of clients, messages to functions, and answers to clients."""
