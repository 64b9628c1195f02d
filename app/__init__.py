"""The page in the browser: the layout and the handlers of a Gradio app on this machine.

In the repository this package is the folder `app`; installed, it is `arcinvert_app`, so that it does not hide
a package `app` of a user's own. Imports inside it are therefore relative.
"""
