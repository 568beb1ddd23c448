"""The gateway: a raw ASGI application before every long-lived process on a node. It knows no room and no Django."""
