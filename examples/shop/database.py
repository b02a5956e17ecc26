"""The SQLite file and the sessions on it."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from .fixes import FIXES

__all__ = ["DATABASE", "Session", "database_path", "engine"]


def database_path() -> Path:
    """The file SHOP_DATABASE names, else one below the user's cache.

    A shop with the index keeps its own file beside it, so that both kinds can run at once.
    """
    named = os.environ.get("SHOP_DATABASE")
    if named:
        path = Path(named).absolute()
    else:
        cache = os.environ.get("XDG_CACHE_HOME")
        path = (Path(cache) if cache else Path.home() / ".cache") / "perfloop-examples" / "shop.sqlite3"
    return path.with_stem(f"{path.stem}-indexed") if FIXES.index else path


DATABASE = database_path()
engine = create_engine(f"sqlite:///{DATABASE}")
Session = sessionmaker(engine)
