"""The chat API as it is deployed: processes, sockets, servers, clients that come again."""
