"""The page that is written on."""

import pytest
from playwright.sync_api import Page

from tests.frontend.conftest import OpenPage


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """The page of the tiny handwriting model, which knows three colours."""
    return open_page("strokes")
