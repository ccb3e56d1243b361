from ._server import make_server, serve

__all__ = ["make_server", "serve"]
