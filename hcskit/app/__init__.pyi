from ._content import Content
from ._figures import notice
from ._page import explore, page
from ._panes import html, pane, scrolled
from ._record import as_html
from ._selection import Selection

__all__ = ["Content", "Selection", "as_html", "explore", "html", "notice", "page", "pane", "scrolled"]
