"""Who may see the dashboard: whoever has its token, as with Jupyter."""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from bokeh.server.auth_provider import AuthProvider
from tornado.web import RequestHandler

__all__ = ["TokenAuth"]

_FORM = """<!doctype html><html lang="en"><meta charset="utf-8"><title>hcskit</title>
<style>body {{ font: 15px system-ui, sans-serif; margin: 15vh auto; max-width: 24rem }}</style>
<form method="post"><h1>hcskit</h1><p>{said}</p>
<label>Token <input name="token" type="password" autofocus></label> <button>Open</button>
<p>The command that started the dashboard has printed it.</p>{xsrf}</form>"""


class TokenAuth(AuthProvider):
    """Lets in who brings a token, in the address or in a form, and remembers it in a signed cookie.

    Parameters
    ----------
    token : str
        The token.
    port : int
        Port of the server; browsers do not tell the cookies of ports apart.
    """

    def __init__(self, token: str, port: int) -> None:
        super().__init__()
        self._token, self._cookie = token, f"hcskit-{port}"

    @property
    def get_user(self) -> Any:
        """Return the user of a request; none without a valid cookie."""

        def user(handler: RequestHandler) -> str | None:
            kept = handler.get_signed_cookie(self._cookie)
            return "user" if kept is not None and self.fits(kept.decode()) else None

        return user

    @property
    def get_user_async(self) -> None:
        """No other way to know the user."""

    @property
    def login_url(self) -> str:
        """Where a request without a cookie is sent."""
        return "/login"

    @property
    def get_login_url(self) -> None:
        """The address is the same for all."""

    @property
    def login_handler(self) -> type[RequestHandler]:
        """Handle the token in the address that was asked for, or in the form."""
        auth = self

        class Login(RequestHandler):
            def get(self) -> None:
                asked = urlsplit(self.get_query_argument("next", "/"))
                query = parse_qsl(asked.query)
                token = dict(query).get("token", "")
                rest = [(name, value) for name, value in query if name != "token"]
                self._answer(token, f"{_local(asked.path)}{'?' if rest else ''}{urlencode(rest)}")

            def post(self) -> None:
                asked = urlsplit(self.get_query_argument("next", "/"))
                query = [(name, value) for name, value in parse_qsl(asked.query) if name != "token"]
                to = f"{_local(asked.path)}{'?' if query else ''}{urlencode(query)}"
                self._answer(self.get_body_argument("token", ""), to)

            def _answer(self, token: str, to: str) -> None:
                if auth.fits(token):
                    self.set_signed_cookie(auth._cookie, token, httponly=True, samesite="Lax")
                    self.redirect(to)
                else:
                    self.set_status(403 if token else 401)
                    said = "This token does not fit." if token else "The dashboard asks for its token."
                    self.finish(_FORM.format(said=said, xsrf=""))

        return Login

    @property
    def logout_url(self) -> None:
        """There is nothing to leave."""

    @property
    def logout_handler(self) -> None:
        """There is nothing to leave."""

    def fits(self, token: str) -> bool:
        """Whether a token is the right one; it takes the same time either way."""
        return hmac.compare_digest(token.encode(), self._token.encode())


def _local(path: str) -> str:
    """Return a path of this server: no other site is redirected to."""
    return "/" + path.lstrip("/\\")
