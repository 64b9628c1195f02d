"""The page: layout and handlers of a Gradio app on this machine; what computes is in arcinvert."""
