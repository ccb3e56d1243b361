from ._page import explore
from ._selection import Selection
from ._server import make_server, serve

__all__ = ["Selection", "explore", "make_server", "serve"]
