"""What an attacker may ask of a recogniser: embeddings, scores against one person, or decisions."""
