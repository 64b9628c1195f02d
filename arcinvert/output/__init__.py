"""What a run writes: its folder and its contact sheet."""
