"""Serves dashboards on this machine, to whoever has the token."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import panel as pn
from bokeh.document import Document
from panel.io.resources import LOCAL_DIST
from panel.io.state import set_curdoc

from hcskit.app import Selection, html, page
from hcskit.errors import InputError, NotAScreenError
from hcskit.provenance import list_runs
from hcskit.results import PARTS
from hcskit.server._index import Pair, index_page
from hcskit.server._token import TokenAuth

__all__ = ["make_server", "serve"]

LOOPBACK = "127.0.0.1"


def serve(
    runs: Sequence[str | Path],
    *,
    address: str = LOOPBACK,
    port: int = 0,
    token: str | None = None,
    origins: Sequence[str] = (),
    say: Callable[[str], object] = print,
) -> None:
    """Serve the dashboards of runs until it is interrupted.

    Parameters
    ----------
    runs : sequence of path-like
        Folders of runs, or folders that hold runs. Several runs have an index, and a page each.
    address : str
        Address to listen on. Beyond this machine's own, whoever has the token and reaches the address sees the runs and
        can mask wells, and the connection is not encrypted.
    port : int
        Port; 0 for a free one.
    token : str, optional
        What a visitor must bring; by default a new one.
    origins : sequence of str
        Further ``host:port`` under which browsers know the server, such as that of a proxy.
    say : callable
        Receives the address to open.

    Raises
    ------
    InputError
        If a folder is no run and holds none, or the address is none.
    """
    server, url = make_server(runs, address=address, port=port, token=token, origins=origins)
    if not _is_loopback(address):
        say(f"Warning: {address} can be reached from other machines, and the connection is not encrypted.")
    say(f"Dashboard: {url}\nStop it with Ctrl-C.")
    server.run_until_shutdown()


def make_server(
    runs: Sequence[str | Path],
    *,
    address: str = LOOPBACK,
    port: int = 0,
    token: str | None = None,
    origins: Sequence[str] = (),
) -> tuple[Any, str]:
    """Make the server of `serve`, listening, and the address to open; ``server.io_loop`` serves it.

    Returns
    -------
    server : bokeh.server.server.Server
    url : str
        With the token.
    """
    found = [folder for given in runs for folder in _runs(Path(given))]
    folders = {_slug(folder, place): folder for place, folder in enumerate(dict.fromkeys(found))}
    if not folders:
        raise InputError("no run is given; name at least one folder of a run")
    _is_loopback(address)
    pn.extension("tabulator")
    port = port or _free_port(address)
    key = token or secrets.token_urlsafe(24)
    if len(key) < 8:
        raise InputError(f"a token of {len(key)} characters is easily guessed; expected 8 or more")
    paths: Any = _applications(folders)
    server = pn.io.server.get_server(
        paths,
        address=address,
        port=port,
        start=False,
        show=False,
        websocket_origin=[f"{address}:{port}", f"localhost:{port}", *origins],
        auth_provider=TokenAuth(key, port),
        cookie_secret=secrets.token_hex(32),
        title="hcskit",
    )
    _warm(paths)
    server.start()
    return server, f"http://{address}:{port}/?token={key}"


class _Page(pn.template.VanillaTemplate):
    """Panel's plainest page, without the fonts that it would ask another server for."""

    _resources: ClassVar[Any] = {"css": {}}

    def server_doc(self, doc: Document | None = None, title: str | None = None, location: Any = True) -> Document:
        """Return the document of a session. Bokeh looks through all its models after each root, or once if frozen."""
        document = doc or Document()
        with document.models.freeze():
            return super().server_doc(document, title, location)


def _applications(folders: Mapping[str, Path]) -> dict[str, Callable[[], Any]]:
    """Return what makes the page of each session, by path: each session has a selection of its own."""
    several = len(folders) > 1

    def of(folder: Path) -> Callable[[], Any]:  # Panel takes functions, and shows partial ones as they are
        return lambda: _run_page(folder, index=several)

    pages = {slug if several else "/": of(folder) for slug, folder in folders.items()}
    return pages | ({"/": lambda: _index(folders)} if several else {})


def _warm(pages: Mapping[str, Callable[[], pn.template.base.BasicTemplate]]) -> None:
    """Make a page of each kind for nobody: the first ones of a process take seconds longer than those after them."""
    for make in {*list(pages.values())[:1], pages["/"]}:
        document = Document()
        with set_curdoc(document):
            make().server_doc(document)


def _run_page(folder: Path, *, index: bool) -> pn.template.base.BasicTemplate:
    selection = Selection()
    selection.follow_address()
    back = [html("<a href='./' style='color: inherit'>All runs</a>", align="center")] if index else []
    return _framed(folder.resolve().name, page(folder, selection), *back)


def _index(folders: Mapping[str, Path]) -> pn.template.base.BasicTemplate:
    pair = Pair()
    if pn.state.location is not None:
        pn.state.location.sync(pair, ["first", "second"])
    return _framed("Runs", index_page(folders, _names(folders), pair))


def _names(folders: Mapping[str, Path]) -> dict[str, str]:
    """Return the names of runs: paths from the folder that they share, so that no two are alike."""
    paths = [folder.resolve() for folder in folders.values()]
    shared = Path(os.path.commonpath([path.parent for path in paths]))
    return {slug: str(path.relative_to(shared)) for slug, path in zip(folders, paths, strict=True)}


def _framed(title: str, content: Any, *header: Any) -> pn.template.base.BasicTemplate:
    if pn.state.curdoc is not None:
        # Panel's own templates forget it, and what is drawn later would ask another server for its styles.
        pn.state.curdoc.template_variables["dist_url"] = LOCAL_DIST
    return _Page(
        title=title,
        main=[content],
        header=[*header, _theme_button()],
        header_background="#1f2933",
        raw_css=[_FRAME],
        busy_indicator=None,
    )


def _theme_button() -> pn.widgets.Button:
    """Return what opens the page again, dark or light; what is selected stays in the address."""
    other = "default" if pn.config.theme == "dark" else "dark"
    button = pn.widgets.Button(
        label="Light" if other == "default" else "Dark", color="light", variant="outline", width=70, height=30
    )
    button.js_on_click(
        code=f"const to = new URL(location); to.searchParams.set('theme', '{other}'); location = to.href"
    )
    return button


_FRAME = """
#header { height: 44px; padding: 0 12px; }
#main { padding: 4px; }
:root { --bokeh-base-font: system-ui, sans-serif; }
#header-items { width: auto; margin-left: auto; }
#app-title { flex: auto; min-width: 0; }
a.title { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; unicode-bidi: plaintext; }
"""


def _runs(folder: Path) -> list[Path]:
    """Return a run, or the runs that a folder holds."""
    if not folder.is_dir():
        raise NotAScreenError(f"there is no folder {folder}")
    if any(part.there(folder) for part in PARTS):
        return [folder]
    found = [folder / name for name in list_runs(folder).index]
    if not found:
        raise NotAScreenError(f"{folder} holds no part of a run or a screen, and no run; import a plate first")
    return found


def _slug(folder: Path, place: int) -> str:
    """Return a run's path in the address: its name as far as an address can hold it, and its place."""
    return f"{place + 1}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', folder.resolve().name)[:60]}"


def _is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        raise InputError(f"{address!r} is no address to listen on; expected one such as {LOOPBACK}") from None


def _free_port(address: str) -> int:
    import socket

    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
