"""A dialog over the page, which gives the keyboard back to what opened it."""

import panel_material_ui as pmui

from glassviz.explore.views.base import run


def dialog(content, title, width):
    """A closed dialog.

    Parameters
    ----------
    content : Viewable
    title : str
    width : str
        "xs", "sm", "md" or "lg": as wide at most, and as the page.
    """
    made = pmui.Dialog(
        content,
        title=title,
        show_close_button=True,
        close_on_click=True,
        width_option=width,
        sizing_mode="stretch_width",
    )
    made.jscallback(open=run("refocus", dialog="source"))
    return made
